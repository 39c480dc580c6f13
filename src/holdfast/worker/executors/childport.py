"""This exists so that a job in a child process speaks to its worker as one in the loop does: the port, over a socket."""

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

from holdfast.context.port import Attempt, Flags
from holdfast.core.errors import LeaseLost, StorageUnavailable
from holdfast.worker.executors.wire import Message, frame

GAP = 0.02
"""Seconds between two reports of a child: what comes sooner goes up together."""

MANY_LINES = 100


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


class ChildPort:
    """`holdfast.context.port.Port` for a job that runs in a child process."""

    def __init__(self, attempt: Attempt, line: Line) -> None:
        self.attempt = attempt
        self.flags = Flags()
        self._line = line
        self._lock = threading.RLock()
        self._report: Message = {}
        self._logs: list[tuple[int, str, str, str | None]] = []
        self._sent = 0.0
        self._later = False
        self._closed = False
        self._numbers = count(1)
        self._saves: dict[int, concurrent.futures.Future[None]] = {}
        self._woken = threading.Event()
        self._waiters: set[asyncio.Future[None]] = set()

    # -- what the job calls -------------------------------------------------------------------------------------------------

    def progress(self, text: str) -> None:
        with self._lock:
            self._report["progress"] = text
            self._send_soon()

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        with self._lock:
            self._logs.append((at, level, message, fields))
            self._send_soon()

    def hold(self, saved: str) -> None:
        with self._lock:
            self._report["hold"] = saved
            self._send_soon()

    def save(self, saved: str) -> None:
        self._ask_to_save(saved).result()

    async def save_async(self, saved: str) -> None:
        await asyncio.wrap_future(self._ask_to_save(saved))

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
            self._set_flags(message)
        elif message["kind"] == "saved":
            with self._lock:
                waiting = self._saves.pop(message["id"], None)
            if waiting is not None and waiting.set_running_or_notify_cancel():
                _resolve(waiting, message)

    def close(self) -> None:
        """The attempt has ended: send what waits, drop what threads of the job may still say."""
        with self._lock:
            self._send_now()
            self._closed = True

    def _set_flags(self, message: Message) -> None:
        with self._lock:
            flags = self.flags
            flags.pause, flags.cancel = message["pause"], message["cancel"]
            flags.stop, flags.lost = message["stop"], message["lost"]
            if not flags.any:
                self._woken.clear()
                return
            self._woken.set()
            waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            try:
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)
            except RuntimeError:  # that loop was closed, its sleeper is gone
                continue

    def _ask_to_save(self, saved: str) -> concurrent.futures.Future[None]:
        waiting: concurrent.futures.Future[None] = concurrent.futures.Future()
        with self._lock:
            if self._closed:
                raise LeaseLost("the attempt has ended already; nothing more can be saved for it")
            self._send_now()
            number = next(self._numbers)
            self._saves[number] = waiting
            self._line.send({"kind": "save", "id": number, "saved": saved})
        return waiting

    def _send_soon(self) -> None:
        """Send at once what comes alone, so that it is out before a crash; gather what comes in a storm."""
        if self._closed:
            return
        if monotonic() - self._sent >= GAP or len(self._logs) >= MANY_LINES:
            self._send_now()
        elif not self._later:
            self._later = True
            threading.Thread(target=self._send_later, daemon=True).start()

    def _send_later(self) -> None:
        time.sleep(GAP)
        with self._lock:
            self._later = False
            self._send_now()

    def _send_now(self) -> None:
        if self._closed or not (self._report or self._logs):
            return
        self._line.send({"kind": "report", **self._report, "logs": self._logs})
        self._report, self._logs, self._sent = {}, [], monotonic()


def _resolve(waiting: concurrent.futures.Future[None], message: Message) -> None:
    if message["lost"]:
        waiting.set_exception(LeaseLost(message["error"]))
    elif message["error"] is not None:
        waiting.set_exception(StorageUnavailable(message["error"]))
    else:
        waiting.set_result(None)


def _wake(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)
