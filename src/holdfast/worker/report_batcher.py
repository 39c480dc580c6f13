"""Sends the reports of all running jobs of a worker process together, and asks their memories for a snapshot at
intervals."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING

import structlog

from holdfast.core.errors import StorageUnavailable
from holdfast.storage.gateway import Gateway
from holdfast.storage.writes import StoreReports

if TYPE_CHECKING:
    from holdfast.worker.delivery import Flight
    from holdfast.worker.reporting import LocalLink

FLUSH_INTERVAL = 0.25
"""Seconds between two reports of one worker process, for all its jobs together."""

TICK_INTERVAL = 0.5
"""Seconds between two looks at the memories of running jobs."""

log = structlog.get_logger("holdfast.worker")


class ReportBatcher:
    """Carries the reports of all running jobs of a worker process to the store.

    Its timers and tasks run in an empty context, never in that of the job whose call started them.
    """

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        self.gateway = gateway
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: set[LocalLink] = set()
        self._flush_is_due = False
        self._flushing: set[asyncio.Task[None]] = set()
        self._remembering: set[LocalLink] = set()
        self._ticking = False

    def note(self, port: LocalLink) -> None:
        """`port` has something to send. Any thread."""
        with self._lock:
            self._waiting.add(port)
            if self._flush_is_due:
                return
            self._flush_is_due = True
        self._start_timer(FLUSH_INTERVAL, self._start_flush)

    def watch(self, port: LocalLink) -> None:
        """Have the memory of `port` ticked until `forget`. Any thread."""
        with self._lock:
            self._remembering.add(port)
            if self._ticking:
                return
            self._ticking = True
        self._start_timer(TICK_INTERVAL, self._tick)

    def forget(self, port: LocalLink) -> None:
        """The attempt of `port` has ended."""
        with self._lock:
            self._remembering.discard(port)

    def _start_timer(self, seconds: float, callback: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, callback, context=Context())

    def _tick(self) -> None:
        with self._lock:
            ports = tuple(self._remembering)
            self._ticking = bool(ports)
        for port in ports:
            try:
                port.tick()
            except Exception:
                log.exception("could not save the position of a job", job=port.attempt.id)
        if ports:
            self._loop.call_later(TICK_INTERVAL, self._tick)

    def _start_flush(self) -> None:
        task = self._loop.create_task(self._flush())
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _flush(self) -> None:
        with self._lock:
            ports, self._waiting, self._flush_is_due = self._waiting, set(), False
        flights: list[tuple[LocalLink, Flight]] = []
        for port in ports:
            try:
                flight = port.take_off()
            except Exception:  # of one job, whose report is not made; those of the others are sent
                log.exception("could not make the report of a job", job=port.attempt.id)
            else:
                flights += [] if flight is None else [(port, flight)]
        if flights:
            await self._send(flights)

    async def _send(self, flights: list[tuple[LocalLink, Flight]]) -> None:
        """Each report is an operation of its own, so that one that is refused harms no other; the gateway joins them."""
        try:
            futures = self.gateway.submit_together(*(StoreReports([flight.report]) for _, flight in flights))
        except Exception as error:
            for port, flight in flights:
                port.land(flight, error=error)
            _warn([error] * len(flights))
            return
        for (port, flight), future in zip(flights, futures, strict=True):
            future.add_done_callback(partial(port.landed, flight))
        results = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        _warn([result for result in results if isinstance(result, BaseException)])


def _warn(errors: list[BaseException]) -> None:
    for error in errors:
        if not isinstance(error, StorageUnavailable):
            log.error("a report was refused by the store", exc_info=error)
    unavailable = [error for error in errors if isinstance(error, StorageUnavailable)]
    if unavailable:
        log.warning("reports delayed: storage unavailable", jobs=len(unavailable), error=str(unavailable[0]))
