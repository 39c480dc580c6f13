"""This exists so that a job in the loop or in a thread reaches the store: what it hands up waits here and is sent together
with what other jobs hand up, four times a second; what must be durable goes at once."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import structlog

from holdfast.context.port import Attempt, Flags
from holdfast.core.errors import LeaseLost, StorageUnavailable
from holdfast.core.job import Claimed
from holdfast.core.limits import MAX_LOG_LINE, clean_text
from holdfast.core.outcome import LogLine, Report
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import LOST

FLUSH_EVERY = 0.25
"""Seconds between two reports of one worker process, for all its jobs together."""

log = structlog.get_logger("holdfast.worker")


class Courier:
    """Carries the reports of all running jobs of a worker process to the store, and the answers back as flags."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        self.gateway = gateway
        self._loop = loop
        self._waiting: set[LocalPort] = set()
        self._armed = False
        self._lock = threading.Lock()
        self._flushing: set[asyncio.Task[None]] = set()

    def note(self, port: LocalPort) -> None:
        """`port` has something to send. Any thread."""
        with self._lock:
            self._waiting.add(port)
            if self._armed:
                return
            self._armed = True
        self._loop.call_soon_threadsafe(self._arm)

    def _arm(self) -> None:
        self._loop.call_later(FLUSH_EVERY, self._start_flush)

    def _start_flush(self) -> None:
        task = self._loop.create_task(self._flush())
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _flush(self) -> None:
        with self._lock:
            ports, self._waiting, self._armed = self._waiting, set(), False
        taken = [(port, report) for port in ports if (report := port.take())]
        if not taken:
            return
        try:
            answers = await self.gateway.acall("report", [report for _, report in taken])
        except StorageUnavailable as error:
            log.warning("reports wait, the store does not answer", jobs=len(taken), error=str(error))
            for port, report in taken:
                port.put_back(report)
            return
        for (port, _), answer in zip(taken, answers, strict=True):
            port.hear(answer)


class LocalPort:
    """`holdfast.context.port.Port` for a job that runs in the worker process itself."""

    # Defaults of the class: a job that says nothing costs nothing here.
    _progress: str | None = None
    _saved: str | None = None
    _newest: str | None = None
    _logs: list[LogLine] | None = None
    _woken: threading.Event | None = None
    _waiters: frozenset[asyncio.Future[None]] = frozenset()
    _closed = False
    was_pausing = False
    """A pause was asked of this run, be it that it was taken back."""

    def __init__(self, job: Claimed, courier: Courier) -> None:
        self.flags = Flags()
        self._job = job
        self._courier = courier
        self._lock = threading.Lock()

    @property
    def attempt(self) -> Attempt:
        """What the job may know of itself."""
        job = self._job
        tags = tuple(json.loads(job.tags)) if job.tags else ()
        return Attempt(
            job.id, job.type, job.attempt, job.max_attempts, job.token, job.args, job.owner, tags, job.saved
        )

    # -- what the job calls -----------------------------------------------------------------------------------------------

    def progress(self, text: str) -> None:
        with self._lock:
            self._progress = text
        self._courier.note(self)

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        line = LogLine(at, level, clean_text(message, MAX_LOG_LINE), fields)
        with self._lock:
            if self._logs is None:
                self._logs = []
            self._logs.append(line)
        self._courier.note(self)

    def hold(self, saved: str) -> None:
        with self._lock:
            self._saved = self._newest = saved
        self._courier.note(self)

    def save(self, saved: str) -> None:
        report = self._take_with(saved)
        try:
            answers = self._courier.gateway.call("report", [report])
        except BaseException:
            self.put_back(report)
            raise
        self.hear(answers[0], strict=True)

    async def save_async(self, saved: str) -> None:
        report = self._take_with(saved)
        try:
            answers = await self._courier.gateway.acall("report", [report])
        except BaseException:
            self.put_back(report)
            raise
        self.hear(answers[0], strict=True)

    def wait(self, seconds: float) -> None:
        with self._lock:
            woken = self._woken = self._woken or threading.Event()
            if self.flags.any:
                return
        woken.wait(seconds)

    async def wait_async(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self.flags.any:
                return
            self._waiters |= {waiter}
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return
        finally:
            with self._lock:
                self._waiters -= {waiter}

    # -- what the worker calls --------------------------------------------------------------------------------------------

    def raise_flag(self, **flags: bool) -> None:
        """Set or clear flags, and wake the job if it sleeps. On the worker's loop."""
        self.was_pausing = self.was_pausing or flags.get("pause", False)
        for name, value in flags.items():
            setattr(self.flags, name, value)
        with self._lock:
            woken, waiters = self._woken, self._waiters
        if not self.flags.any:
            if woken is not None:
                woken.clear()
            return
        if woken is not None:
            woken.set()
        for waiter in waiters:
            waiter.get_loop().call_soon_threadsafe(_finish, waiter)

    def hear(self, answer: str, *, strict: bool = False) -> None:
        """Take the store's answer to a report: what is requested, or that the job is lost."""
        if answer == LOST:
            if not self._closed:
                self.raise_flag(lost=True)
            if strict:
                raise LeaseLost(f"Job {self._job.id} belongs to another attempt now; this one must stop.")
        elif answer:
            self.raise_flag(pause=answer == "pause", cancel=answer == "cancel")

    def take(self) -> Report | None:
        """What waits to be sent, taken out; None for nothing."""
        with self._lock:
            if self._progress is None and self._saved is None and not self._logs:
                return None
            return self._take()

    def close(self) -> Report | None:
        """The attempt has ended: the last report, to be stored with its settlement. What comes later is dropped."""
        with self._lock:
            self._closed = True
            if self._progress is None and self._saved is None and not self._logs:
                return None
            return self._take()

    def put_back(self, report: Report) -> None:
        """A report could not be sent: it waits again, behind what is newer."""
        with self._lock:
            self._progress = self._progress or report.progress
            if report.saved is self._newest:  # else a newer one is stored already, or waits
                self._saved = report.saved
            self._logs = [*report.logs, *(self._logs or ())]
        if not self._closed:
            self._courier.note(self)

    def _take_with(self, saved: str) -> Report:
        with self._lock:
            self._saved = self._newest = saved
            return self._take()

    def _take(self) -> Report:
        report = Report(self._job.seq, self._job.token, self._progress, self._saved, tuple(self._logs or ()))
        self._progress = self._saved = self._logs = None
        return report


def _finish(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)
