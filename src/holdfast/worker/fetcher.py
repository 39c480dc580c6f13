"""Exchanges settlements for new jobs: both go to the store together, in one transaction where possible."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import Settlement
from holdfast.storage.errors import Contended
from holdfast.storage.gateway import Gateway
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.writes import Claim, Settle, Write
from holdfast.worker.attempt import error_info

MAX_BATCH = 500
"""Jobs that are claimed or settled in one exchange, so that a transaction takes a few milliseconds."""

CONTENDED_PAUSE = 0.5
"""Seconds before a settlement is sent again whose row another transaction has locked for long; they double up to MAX_PAUSE.
A claim that is blocked by others waits as long."""
MAX_PAUSE = 5.0

MAX_SETTLED = 3
"""How often an attempt is settled at most: with its result, as a failure with the reason, as a failure with a fixed text."""

log = structlog.get_logger("holdfast.worker")

Attempted = tuple[Settlement, Claimed]
Key = tuple[int, int]


@dataclass(slots=True)
class Pool:
    """The slots of one executor, of which `busy` are taken, for jobs of `types`. A job is claimed only for a free slot, so
    that none waits here while another worker is idle. `hungry`: there may be more to claim."""

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
        settlement_refused: Callable[[Claimed, str | None], Settlement],
    ) -> None:
        self._gateway = gateway
        self._worker = worker
        self._queues = queues
        self._pools = [pool for pool in pools.values() if pool.types]
        self._pool_of = {name: pool for pool in self._pools for name in pool.types}
        self._slots = slots
        self._settlement_refused = settlement_refused
        """Makes the settlement of an attempt whose end the store has refused, see `SettlementPolicy`."""
        self._ended: list[Attempted] = []
        self._sent: list[Attempted] = []
        self._set_aside: dict[Key, Attempted] = {}
        """Settlements that are stored each by itself, or sent again later, because other transactions block them."""
        self._pauses: dict[Key, float] = {}
        self._refusals: dict[Key, int] = {}
        """How often the settlement of an attempt was refused. It is kept after the last refusal, so that the job is not run
        again."""
        self._doubtful: set[Key] = set()
        self._exchanging = False
        self._claiming = True
        self._changed = asyncio.Event()
        self.lost = 0

    def holds(self, seq: int) -> bool:
        """Whether a settlement of this job waits to be stored, or is being stored."""
        waiting = (*self._sent, *self._ended, *self._set_aside.values())
        return any(settlement.seq == seq for settlement, _ in waiting) or any(
            refused == seq for refused, _ in self._refusals
        )

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing waits to be settled, and no exchange is under way."""
        return not self._busy and not self._ended and not self._set_aside and not self._exchanging

    @property
    def _busy(self) -> int:
        return sum(pool.busy for pool in self._pools)

    def settle(self, job: Claimed, settlement: Settlement | None) -> None:
        """An attempt of this job has ended; None when there is nothing to write (the job was lost)."""
        self._pool_of[job.type].busy -= 1
        if settlement is None:
            self.lost += 1
        else:
            self._ended.append((settlement, job))
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

    def claim_again(self) -> None:
        """Take back `stop_claiming`."""
        self._claiming = True
        self.look()

    async def run(self, start: Callable[[Claimed], None]) -> None:
        """Pass each claimed job to `start`, until cancelled. Outages of the store are waited out, and no settlement is
        lost."""
        failures = 0
        while True:
            wanted = self._wanted()
            if not self._ended and not wanted:
                self._changed.clear()
                await self._changed.wait()
                continue
            self._sent, self._ended = self._ended[:MAX_BATCH], self._ended[MAX_BATCH:]
            self._exchanging = True
            try:
                await self._exchange(wanted, start)
                failures = 0
            except Exception as error:
                failures += 1
                delay = min(5.0, 0.25 * 2**failures) * (0.5 + random.random() / 2)
                if isinstance(error, StorageUnavailable):
                    log.warning(
                        "storage unavailable",
                        error=str(error),
                        waiting=len(self._ended),
                        again_in=round(delay, 2),
                    )
                else:
                    log.error("jobs cannot be claimed or settled", again_in=round(delay, 2), exc_info=error)
                self._exchanging = False
                await asyncio.sleep(delay)
            finally:
                self._sent, self._exchanging = [], False

    def _wanted(self) -> list[tuple[Pool, int]]:
        """How many jobs each hungry pool has free places for."""
        if not self._claiming:
            return []
        free = min(self._slots - self._busy, MAX_BATCH)
        wanted: list[tuple[Pool, int]] = []
        for pool in self._pools:
            count = min(free, pool.slots - pool.busy)
            if pool.hungry and count > 0:
                wanted.append((pool, count))
                free -= count
        return wanted

    async def _exchange(self, wanted: list[tuple[Pool, int]], start: Callable[[Claimed], None]) -> None:
        """Store what was sent, and start what is claimed. Raises the error of the store, when it concerns all."""
        ended = [settlement for settlement, _ in self._sent]
        writes: list[Write[Any]] = [Settle(ended)] if ended else []
        for pool, count in wanted:
            pool.hungry = False
            writes.append(Claim(ClaimRequest(self._worker, count, pool.types, self._queues)))
        results = await self._run(writes)
        for (pool, count), claimed in zip(wanted, results[len(writes) - len(wanted) :], strict=True):
            if isinstance(claimed, Contended):
                asyncio.get_running_loop().call_later(CONTENDED_PAUSE, self.look)
                continue
            if isinstance(claimed, BaseException):
                pool.hungry = True
                continue
            pool.hungry = pool.hungry or len(claimed) == count
            pool.busy += len(claimed)
            for job in claimed:
                start(job)
        if ended:
            settled = results.pop(0)
            if not isinstance(settled, BaseException):
                self._count_lost(ended, settled)
            elif _concerns_all(settled):
                self._put_back(settled)
            else:
                sent, self._sent = self._sent, []
                self._settle_each(sent)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Contended):
                raise result

    async def _run(self, writes: list[Write[Any]]) -> list[Any]:
        """What each of these writes returns, or its error."""
        try:
            futures = self._gateway.submit_together(*writes, repeats=False)
        except Exception as error:
            return [error] * len(writes)
        return await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)

    def _settle_each(self, attempts: Sequence[Attempted]) -> None:
        """Settle each by itself what could not be settled together, so that one that is refused or blocked delays no other.
        Nothing waits for them."""
        try:
            futures = self._gateway.submit_together(*(Settle([end]) for end, _ in attempts))
        except Exception:  # the next exchange fails in the same way, and logs it
            self._ended += attempts
            return
        for attempted, future in zip(attempts, futures, strict=True):
            settlement, _ = attempted
            self._set_aside[settlement.seq, settlement.token] = attempted
            asyncio.wrap_future(future).add_done_callback(partial(self._settled_alone, attempted))

    def _settled_alone(self, attempted: Attempted, future: asyncio.Future[list[str]]) -> None:
        settlement, job = attempted
        key = settlement.seq, settlement.token
        error = future.exception()
        if isinstance(error, Contended):
            self._come_again(key)
            return
        del self._set_aside[key]
        if error is None:
            self._count_lost([settlement], future.result())
        elif _concerns_all(error):
            self._doubtful.add(key)
            self._ended.append(attempted)
        elif (other := self._instead(settlement, job, error)) is not None:
            self._settle_each([(other, job)])
        self._changed.set()

    def _put_back(self, error: BaseException) -> None:
        """The store is unavailable: what was sent is sent again, and may have been stored already."""
        sent, self._sent = self._sent, []
        self._ended = sent + self._ended
        self._doubtful |= {(settlement.seq, settlement.token) for settlement, _ in sent}
        raise error

    def _come_again(self, key: Key) -> None:
        """It is blocked by another transaction: it is sent again after a while, and nothing else waits for it."""
        pause = self._pauses[key] = min(MAX_PAUSE, 2 * self._pauses.get(key, CONTENDED_PAUSE / 2))
        log.warning(
            "settlement delayed: another transaction has locked the job", job=self._set_aside[key][1].id
        )
        asyncio.get_running_loop().call_later(pause, self._bring_back, key)

    def _bring_back(self, key: Key) -> None:
        self._ended.append(self._set_aside.pop(key))
        self._changed.set()

    def _instead(self, settlement: Settlement, job: Claimed, error: BaseException) -> Settlement | None:
        """The store has refused this settlement: the attempt fails instead, with the reason if that can be stored. None when
        nothing is left to try."""
        key = settlement.seq, settlement.token
        refusals = self._refusals[key] = self._refusals.get(key, 0) + 1
        info = error_info(error)
        why = f"{info.type}: {info.message}"
        log.error("the store refused a settlement", job=job.id, type=job.type, times=refusals, error=why)
        if refusals >= MAX_SETTLED:
            return None
        return self._settlement_refused(job, why if refusals == 1 else None)

    def _count_lost(self, ended: list[Settlement], results: list[str]) -> None:
        """Count and log settlements that were refused. One that was sent before without a confirmation may have been stored
        then, and is refused as its own repetition: that is no loss."""
        lost = sum(
            result == LOST and (s.seq, s.token) not in self._doubtful
            for s, result in zip(ended, results, strict=True)
        )
        if self._doubtful or self._refusals or self._pauses:
            for s in ended:
                key = s.seq, s.token
                self._doubtful.discard(key)
                self._refusals.pop(key, None)
                self._pauses.pop(key, None)
        if lost:
            self.lost += lost
            log.warning("stale settlements were refused", jobs=lost)


def _concerns_all(error: BaseException) -> bool:
    """Whether the error is one of the store, and not of one settlement."""
    return isinstance(error, (StorageUnavailable, StorageRefused)) and not isinstance(error, Contended)
