"""This exists so that a worker process always has as much to do as it has free slots, at the price of few transactions: what
has ended and what shall begin go to the store together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import Settlement
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import LOST

MOST_AT_ONCE = 500
"""Jobs claimed or settled in one exchange: a transaction stays within a few milliseconds."""

log = structlog.get_logger("holdfast.worker")


@dataclass(slots=True)
class Pool:
    """The places of one executor: `slots` of them, `busy` taken, for jobs of `types`. A job is claimed only for a free
    place, so that none waits here while another worker is idle. `hungry`: there may be more to claim."""

    types: frozenset[str]
    slots: int
    busy: int = 0
    hungry: bool = True


class Fetcher:
    """Exchanges settlements for new jobs with the store, while there are free slots and jobs."""

    def __init__(
        self,
        gateway: Gateway,
        worker: str,
        pools: Mapping[str, Pool],
        queues: tuple[str, ...],
        slots: int,
    ) -> None:
        self._gateway = gateway
        self._worker = worker
        self._queues = queues
        self._pools = [pool for pool in pools.values() if pool.types]
        self._pool_of = {name: pool for pool in self._pools for name in pool.types}
        self._slots = slots
        self._ended: list[Settlement] = []
        self._sent: list[Settlement] = []
        self._doubtful: set[tuple[int, int]] = set()
        self._exchanging = False
        self._claiming = True
        self._changed = asyncio.Event()
        self.lost = 0

    def holds(self, seq: int) -> bool:
        """Whether a settlement of this job waits to be stored, or is being stored."""
        return any(settlement.seq == seq for settlement in (*self._sent, *self._ended))

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing waits to be settled, and no exchange is under way that might bring or take something."""
        return not self._busy and not self._ended and not self._exchanging

    @property
    def _busy(self) -> int:
        return sum(pool.busy for pool in self._pools)

    def settle(self, type_: str, settlement: Settlement | None) -> None:
        """An attempt of this type has ended; None when there is nothing to write (the job was lost)."""
        self._pool_of[type_].busy -= 1
        if settlement is None:
            self.lost += 1
        else:
            self._ended.append(settlement)
        self._changed.set()

    def look(self) -> None:
        """There may be new jobs."""
        for pool in self._pools:
            pool.hungry = True
        self._changed.set()

    def stop_claiming(self) -> None:
        """From now on only settle."""
        self._claiming = False
        self._changed.set()

    async def run(self, start: Callable[[Claimed], None]) -> None:
        """Hand each claimed job to `start`, until cancelled. The store failing is waited out; nothing that has ended is
        forgotten."""
        failures = 0
        while True:
            wanted = self._wanted()
            if not self._ended and not wanted:
                self._changed.clear()
                await self._changed.wait()
                continue
            self._sent, self._ended = self._ended[:MOST_AT_ONCE], self._ended[MOST_AT_ONCE:]
            self._exchanging = True
            try:
                await self._exchange(self._sent, wanted, start)
                failures = 0
            except StorageUnavailable as error:
                failures += 1
                delay = min(5.0, 0.25 * 2**failures) * (0.5 + random.random() / 2)
                log.warning(
                    "the store does not answer",
                    error=str(error),
                    waiting=len(self._ended),
                    again_in=round(delay, 2),
                )
                self._exchanging = False
                await asyncio.sleep(delay)
            finally:
                self._sent, self._exchanging = [], False

    def _wanted(self) -> list[tuple[Pool, int]]:
        """How many jobs each hungry pool has free places for."""
        if not self._claiming:
            return []
        free = min(self._slots - self._busy, MOST_AT_ONCE)
        wanted: list[tuple[Pool, int]] = []
        for pool in self._pools:
            count = min(free, pool.slots - pool.busy)
            if pool.hungry and count > 0:
                wanted.append((pool, count))
                free -= count
        return wanted

    async def _exchange(
        self, ended: list[Settlement], wanted: list[tuple[Pool, int]], start: Callable[[Claimed], None]
    ) -> None:
        calls: list[tuple[str, tuple[object, ...]]] = [("settle", (ended,))] if ended else []
        for pool, count in wanted:
            pool.hungry = False
            calls.append(("claim", (ClaimRequest(self._worker, count, pool.types, self._queues),)))
        operations = [asyncio.wrap_future(future) for future in self._gateway.submit_together(*calls)]
        answers: list[Any] = await asyncio.gather(*operations, return_exceptions=True)
        for (pool, count), claimed in zip(wanted, answers[len(calls) - len(wanted) :], strict=True):
            if isinstance(claimed, BaseException):
                pool.hungry = True
                continue
            pool.hungry = pool.hungry or len(claimed) == count
            pool.busy += len(claimed)
            for job in claimed:
                start(job)
        if ended and isinstance(answers[0], BaseException):
            self._sent, self._ended = [], ended + self._ended
            self._doubtful |= {(s.seq, s.token) for s in ended}
        elif ended:
            self._count_lost(ended, answers[0])
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    def _count_lost(self, ended: list[Settlement], answers: list[str]) -> None:
        """Tell of results that were refused. One that was sent before without an answer may have been stored then, and is
        refused as its own repetition: that is no loss."""
        lost = sum(
            answer == LOST and (s.seq, s.token) not in self._doubtful
            for s, answer in zip(ended, answers, strict=True)
        )
        self._doubtful -= {(s.seq, s.token) for s in ended}
        if lost:
            self.lost += lost
            log.warning("stale results were refused", jobs=lost)
