"""The leader lease: one scheduler of a fleet runs the maintenance tasks, and another one soon after its death.

A single leader avoids duplicate work; correctness does not depend on it. A leader that was suspended for longer than its
lease may still make the call it was about to make, so every task is a guarded write (the conformance kit has a rule with
two leaders).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from holdfast.core.errors import StorageUnavailable
from holdfast.core.facts import ROLE
from holdfast.runtime.periodic import PeriodicTask
from holdfast.storage.gateway import Gateway
from holdfast.storage.topics import Topic
from holdfast.storage.writes import AcquireLease, ReleaseLease

MAX_LEASE = 10.0
TRUST = 0.75
"""Part of the lease for which the leader relies on it: its clock and that of the store may run at different rates."""

SLOW = 1.0
"""Seconds of one call above which the store counts as having been unavailable."""

MIN_INTERVAL = 0.25
"""Seconds between two attempts to become leader, however often a leader resigns or a job is paused or cancelled."""

log = structlog.get_logger("holdfast.scheduler")


def lease_of(worker_lease: float) -> float:
    """Seconds of the leader lease: never longer than that of a worker, so that a rescue does not wait for a leader."""
    return min(MAX_LEASE, worker_lease)


def holder_of(host: str, pid: int, name: str) -> str:
    """The name under which a process holds the lease. `name` is that of its lock file, unique among all processes."""
    return f"{host}:{pid}:{name}"


def name_of(holder: str) -> str:
    """The name of the lock file of a holder."""
    return holder.rpartition(":")[2]


class Leader:
    """The task that holds the leader lease or tries to get it. `holder` is the unique name of this process."""

    name = "lead"
    topics: Sequence[Topic] = (Topic.CONTROL,)

    def __init__(
        self, gateway: Gateway, holder: str, lease: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gateway = gateway
        self._holder = holder
        self._lease = lease
        self._clock = clock
        self._term: int | None = None
        self._trusted_until = 0.0
        self._last_try = float("-inf")
        self._available_since = float("-inf")
        self._gained = asyncio.Event()

    @property
    def leads(self) -> bool:
        """Whether this process is the leader, by its own clock. Here its lease ends earlier than in the store, not later."""
        return self._term is not None and self._clock() < self._trusted_until

    @property
    def available_for(self) -> float:
        """Seconds since the store was last unavailable to this process, or slow; infinite when it never was."""
        return self._clock() - self._available_since

    async def run_once(self) -> float:
        now = self._clock()
        wait = self._last_try + (self._lease / 4 if self.leads else MIN_INTERVAL) - now
        if wait > 0:
            return wait
        self._last_try = now
        try:
            term: int | None = await self._gateway.run_async(
                AcquireLease(ROLE, self._holder, lease=self._lease)
            )
        except StorageUnavailable:
            self._available_since = self._clock()
            raise
        if self._clock() - now > SLOW:
            self._available_since = self._clock()
        if term != self._term:
            self._log_change(term)
        self._term = term
        if term is None:
            return min(2.0, self._lease / 5)
        self._trusted_until = now + TRUST * self._lease
        self._gained.set()
        return self._lease / 4

    async def leading(self) -> None:
        """Wait until this process is the leader."""
        while not self.leads:
            self._gained.clear()
            await self._gained.wait()

    async def resign(self) -> None:
        """Release the lease, so that another process becomes leader at once. Only after the tasks have stopped."""
        if self._term is None:
            return
        self._term = None
        try:
            await self._gateway.run_async(ReleaseLease(ROLE, self._holder))
        except StorageUnavailable as error:
            log.warning("could not release the lease; the next leader waits for its end", error=str(error))

    def _log_change(self, term: int | None) -> None:
        if term is None:
            log.warning("lost leadership to another scheduler", term=self._term)
        else:
            log.info("became leader", term=term, holder=self._holder)


class LeaderOnly:
    """A task that only the leader runs."""

    def __init__(self, task: PeriodicTask, leader: Leader) -> None:
        self.name = task.name
        self.topics = task.topics
        self._task = task
        self._leader = leader

    async def run_once(self) -> float:
        await self._leader.leading()
        return await self._task.run_once()
