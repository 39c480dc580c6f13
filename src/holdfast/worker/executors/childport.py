"""The port of a job in a child process: what `LocalLink` is in the worker, over a socket."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import socket
import threading
import time
from itertools import count
from time import monotonic
from typing import Any

import structlog

from holdfast.context.worker_link import Attempt, Flags, Remembering, Snapshot
from holdfast.core.errors import InvalidInput, LeaseLost, StorageUnavailable
from holdfast.worker.executors.frames import Message, frame, snapshot_value
from holdfast.worker.report_batcher import TICK_INTERVAL

MIN_INTERVAL = 0.02
"""Seconds between two reports of a child: what comes sooner goes up together."""

MANY_LINES = 100

log = structlog.get_logger("holdfast.worker")


class Line:
    """The child's end of the socket: whole frames, from any thread."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Write a frame. A child whose worker is gone ends here: nothing that it does could be stored."""
        data = frame(message)
        with self._lock:
            try:
                self._line.sendall(data)
            except OSError:
                os._exit(1)


class Ticker:
    """Ticks the memory of the present attempt in a thread of its own, which starts with the first memory."""

    def __init__(self) -> None:
        self._memory: Remembering | None = None
        self._thread: threading.Thread | None = None

    def watch(self, memory: Remembering | None) -> None:
        """Tick this memory from now on; None for no memory."""
        self._memory = memory
        if memory is not None and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="holdfast-ticker", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(TICK_INTERVAL)
            memory = self._memory
            if memory is None:
                continue
            try:
                memory.tick()
            except Exception:
                log.exception("could not save the position of a job")


class ChildDelivery:
    """`holdfast.context.worker_link.Delivery` for a snapshot that was sent to the worker."""

    def __init__(self) -> None:
        self.answer: concurrent.futures.Future[None] = concurrent.futures.Future()

    def wait(self) -> None:
        self.answer.result()

    async def wait_async(self) -> None:
        await asyncio.wrap_future(self.answer)

    def resolve(self, message: Message) -> None:
        """Take the worker's answer."""
        if not self.answer.set_running_or_notify_cancel():
            return  # what waited for it was cancelled
        if message["lost"]:
            self.answer.set_exception(LeaseLost(message["error"]))
        elif message["refused"]:
            self.answer.set_exception(InvalidInput(message["error"]))
        elif message["error"] is not None:
            self.answer.set_exception(StorageUnavailable(message["error"]))
        else:
            self.answer.set_result(None)


class ChildPort:
    """`holdfast.context.worker_link.WorkerLink` for a job that runs in a child process."""

    def __init__(self, attempt: Attempt, line: Line, ticker: Ticker) -> None:
        self.attempt = attempt
        self.flags = Flags()
        self.memory: Remembering | None = None
        self._line = line
        self._ticker = ticker
        self._lock = threading.RLock()
        self._report: Message = {}
        self._logs: list[tuple[int, str, str, str | None]] = []
        self._sent = 0.0
        self._later = False
        self._closed = False
        self._numbers = count(1)
        self._deliveries: dict[int, ChildDelivery] = {}
        self._woken = threading.Event()
        self._waiters: set[asyncio.Future[None]] = set()

    # -- what the job calls -------------------------------------------------------------------------------------------------

    def remember(self, memory: Remembering) -> None:
        with self._lock:
            self.memory = memory
            if not self._closed:
                self._ticker.watch(memory)

    def progress(self, value: dict[str, Any]) -> None:
        with self._lock:
            self._report["progress"] = value
            self._send_soon()

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        with self._lock:
            self._logs.append((at, level, message, fields))
            self._send_soon()

    def hold(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._report["hold"] = snapshot_value(snapshot)
            self._send_soon()

    def store(self, snapshot: Snapshot) -> ChildDelivery:
        delivery = ChildDelivery()
        with self._lock:
            if self._closed:
                error = LeaseLost("The attempt has ended already; nothing more can be saved for it.")
                delivery.answer.set_exception(error)
                return delivery
            self._send_now()
            number = next(self._numbers)
            self._deliveries[number] = delivery
            self._line.send({"kind": "store", "id": number, "snapshot": snapshot_value(snapshot)})
        return delivery

    def wait(self, seconds: float) -> None:
        if not self.flags.any:
            self._woken.wait(seconds)

    async def wait_async(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self.flags.any:
                return
            self._waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    # -- what the child calls -----------------------------------------------------------------------------------------------

    def hear(self, message: Message) -> None:
        """Take a message that came down."""
        if message["kind"] == "flags":
            if not self._closed:
                self._set_flags(**{name: message[name] for name in ("pause", "cancel", "stop", "lost")})
        elif message["kind"] == "stored":
            with self._lock:
                delivery = self._deliveries.pop(message["id"], None)
            if delivery is not None:
                delivery.resolve(message)

    def mark_ended(self) -> None:
        """The function has been left: what it left running stops at its next checkpoint."""
        self._set_flags(ended=True)

    def disown(self) -> None:
        """See `AttemptPort`. A thread that is not here may have the lock."""
        self._lock = threading.RLock()
        self._closed = True
        self.flags.lost = True

    def close(self) -> None:
        """The attempt has ended: send what waits, drop what threads of the job may still report."""
        with self._lock:
            self._ticker.watch(None)
            self._send_now()
            self._closed = True
        self._set_flags(lost=True)

    def _set_flags(self, **flags: bool) -> None:
        with self._lock:
            for name, value in flags.items():
                setattr(self.flags, name, value)
            if not self.flags.any:
                self._woken.clear()
                return
            self._woken.set()
            waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            try:
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)
            except RuntimeError:  # that loop was closed, its sleeper is gone
                continue

    def _send_soon(self) -> None:
        """Send at once what comes alone, so that it is out before a crash; gather what comes in a storm."""
        if self._closed:
            return
        if monotonic() - self._sent >= MIN_INTERVAL or len(self._logs) >= MANY_LINES:
            self._send_now()
        elif not self._later:
            self._later = True
            threading.Thread(target=self._send_later, daemon=True).start()

    def _send_later(self) -> None:
        time.sleep(MIN_INTERVAL)
        with self._lock:
            self._later = False
            self._send_now()

    def _send_now(self) -> None:
        if self._closed or not (self._report or self._logs):
            return
        self._line.send({"kind": "report", **self._report, "logs": self._logs})
        self._report, self._logs, self._sent = {}, [], monotonic()


def _wake(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)
