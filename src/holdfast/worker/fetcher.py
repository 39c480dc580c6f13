"""This exists so that a worker process always has as much to do as it has free slots, at the price of few transactions: what
has ended and what shall begin go to the store together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog

from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import Settlement
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import LOST

MOST_AT_ONCE = 500
"""Jobs claimed or settled in one exchange: a transaction stays within a few milliseconds."""

log = structlog.get_logger("holdfast.worker")


class Fetcher:
    """Exchanges settlements for new jobs with the store, while there are free slots and jobs."""

    def __init__(
        self,
        gateway: Gateway,
        worker: str,
        types: frozenset[str],
        queues: tuple[str, ...],
        slots: int,
        start: Callable[[Claimed], None],
    ) -> None:
        self._gateway = gateway
        self._request = ClaimRequest(worker, 0, types, queues)
        self._slots = slots
        self._start = start
        self._ended: list[Settlement] = []
        self._busy = 0
        self._hungry = True
        self._claiming = True
        self._changed = asyncio.Event()
        self.lost = 0

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits to be settled."""
        return not self._busy and not self._ended

    def settle(self, settlement: Settlement | None) -> None:
        """An attempt has ended; None when there is nothing to write (the job was lost)."""
        self._busy -= 1
        if settlement is None:
            self.lost += 1
        else:
            self._ended.append(settlement)
        self._changed.set()

    def look(self) -> None:
        """There may be new jobs."""
        self._hungry = True
        self._changed.set()

    def stop_claiming(self) -> None:
        """From now on only settle."""
        self._claiming = False
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled. The store failing is waited out; nothing that has ended is forgotten."""
        failures = 0
        while True:
            free = min(self._slots - self._busy, MOST_AT_ONCE)
            wanted = free if self._claiming and self._hungry else 0
            if not self._ended and wanted <= 0:
                self._changed.clear()
                await self._changed.wait()
                continue
            ended, self._ended = self._ended[:MOST_AT_ONCE], self._ended[MOST_AT_ONCE:]
            try:
                await self._exchange(ended, wanted)
                failures = 0
            except StorageUnavailable as error:
                self._ended = ended + self._ended
                failures += 1
                delay = min(5.0, 0.25 * 2**failures) * (0.5 + random.random() / 2)
                log.warning("the store does not answer", error=str(error), waiting=len(self._ended), again_in=round(delay, 2))
                await asyncio.sleep(delay)

    async def _exchange(self, ended: list[Settlement], wanted: int) -> None:
        calls: list[tuple[str, tuple[object, ...]]] = []
        if ended:
            calls.append(("settle", (ended,)))
        if wanted > 0:
            request = ClaimRequest(self._request.worker, wanted, self._request.types, self._request.queues)
            calls.append(("claim", (request,)))
            self._hungry = False
        operations = [asyncio.wrap_future(future) for future in self._gateway.submit_together(*calls)]
        try:
            answers = [await operation for operation in operations]
        except StorageUnavailable:
            self._hungry = True
            raise
        if ended:
            lost = answers[0].count(LOST)
            if lost:
                self.lost += lost
                log.warning("stale results were refused", jobs=lost)
        if wanted > 0:
            claimed: list[Claimed] = answers[-1]
            if len(claimed) == wanted:
                self._hungry = True
            self._busy += len(claimed)
            for job in claimed:
                self._start(job)
