"""Self-fencing: a worker that hears no confirmed heartbeat stops its jobs before its lease ends and others may have them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Protocol

import structlog

from holdfast.runtime.clock import since_boot
from holdfast.worker.guarding import FORCE_AT, STOP_AT, GuardLine

MAX_SLEEP = 1.0
"""Seconds between two looks: the event loop's clock does not count the machine's sleep."""

log = structlog.get_logger("holdfast.worker")


class Fenced(Protocol):
    """What a fence stops and starts."""

    @property
    def is_idle(self) -> bool:
        """Nothing of a job runs in this process."""
        ...

    def halt(self) -> None:
        """Begin nothing more, and ask what runs to stop."""
        ...

    def force(self) -> None:
        """End what runs by force."""
        ...

    def resume(self) -> None:
        """Begin jobs again."""
        ...


class Fence:
    """Counts from the beginning of the last confirmed heartbeat, which is before the store has renewed the lease.

    `hear` takes what the supervisor has said and was not read yet: after a job that has blocked the event loop, the
    heartbeats of that time wait there."""

    def __init__(
        self,
        lease: float,
        guard: GuardLine | None,
        work: Fenced,
        hear: Callable[[], None],
        clock: Callable[[], float] = since_boot,
    ) -> None:
        self._lease = lease
        self._guard = guard
        self._work = work
        self._hear = hear
        self._clock = clock
        self._begun = clock()
        self._halted = False
        self._told_idle = False

    def confirm(self, begun: float) -> None:
        """A heartbeat that was begun at that time is confirmed."""
        self._begun = max(self._begun, begun)
        if self._halted and self._elapsed < STOP_AT:
            self._halted = self._told_idle = False
            log.info("heartbeat confirmed again; jobs continue")
            self._work.resume()

    def begin(self) -> None:
        """The worker is registered, which is its first heartbeat."""
        if self._guard is not None:
            self._guard.confirm(os.getpid(), self._begun)

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(max(0.0, min(MAX_SLEEP, self._next)))

    def look(self) -> None:
        """Do what is due."""
        if self._elapsed < STOP_AT:
            return
        self._hear()
        if self._elapsed < STOP_AT:
            return
        if not self._halted:
            self._halted = True
            log.error(
                "no heartbeat confirmed; stopping jobs before the lease ends",
                seconds=round(self._clock() - self._begun, 1),
            )
            self._work.halt()
        if not self._told_idle and self._work.is_idle:
            self._told_idle = True
            if self._guard is not None:
                self._guard.idle(os.getpid(), self._begun)
        elif self._elapsed >= FORCE_AT:
            self._work.force()

    @property
    def _elapsed(self) -> float:
        """Part of the lease that is over."""
        return (self._clock() - self._begun) / self._lease

    @property
    def _next(self) -> float:
        """Seconds until the next look."""
        if self._halted:
            return self._lease / 60
        return self._begun + STOP_AT * self._lease - self._clock()
