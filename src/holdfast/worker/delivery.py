"""Snapshots and reports of a job in the worker process, on their way to the store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast.context.worker_link import Snapshot
from holdfast.core.outcome import LogLine, Report

if TYPE_CHECKING:
    from holdfast.worker.reporting import LocalLink

POLL_INTERVAL = 1.0
"""Seconds between two looks of a thread whose report is sent by another one: that thread may have been ended by force."""


class Flight:
    """One report on its way to the store, and what it was made of."""

    __slots__ = ("deliveries", "logs", "progress", "report", "snapshot")

    report: Report
    progress: dict[str, Any] | None
    snapshot: Snapshot | None
    logs: list[LogLine]
    deliveries: list[LocalDelivery]


class LocalDelivery:
    """`holdfast.context.worker_link.Delivery`: done when a report with its snapshot, or a newer one, was confirmed."""

    __slots__ = ("_port", "done", "error", "wakes")

    def __init__(self, port: LocalLink) -> None:
        self._port = port
        self.done = False
        self.error: BaseException | None = None
        self.wakes: list[Callable[[], object]] = []
        """Called when it is done. Changed under the port's lock."""

    def wait(self) -> None:
        self._port.send_here(self)
        if not self.done:
            woken = threading.Event()
            self._port.when_done(self, woken.set)
            while not self.done:
                woken.wait(POLL_INTERVAL)
        if self.error is not None:
            raise self.error

    async def wait_async(self) -> None:
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        self._port.when_done(self, partial(wake, woken))
        self._port.send_elsewhere(self)
        await woken
        if self.error is not None:
            raise self.error


def wake(waiter: asyncio.Future[Any]) -> None:
    """Wake what waits in an event loop, from any thread."""
    with suppress(RuntimeError):  # that loop was closed, and what waited there is gone
        waiter.get_loop().call_soon_threadsafe(_finish, waiter)


def _finish(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)
