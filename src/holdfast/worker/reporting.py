"""The link of a job that runs in the worker process itself: what the job reports waits here until it is stored.

One report of an attempt is in flight at a time, so that an older text never follows a newer one.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from holdfast.context.worker_link import Attempt, Flags, Remembering, Snapshot
from holdfast.core.errors import InvalidInput, LeaseLost, StorageRefused, StorageUnavailable
from holdfast.core.job import Claimed
from holdfast.core.outcome import LogLine, Report
from holdfast.core.sizes import MAX_LOG_LINE, clean_text
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.writes import StoreReports
from holdfast.worker.attempt import error_info
from holdfast.worker.delivery import Flight, LocalDelivery, wake
from holdfast.worker.progress import progress_text
from holdfast.worker.report_batcher import ReportBatcher

_TRIED_AGAIN = (StorageUnavailable, StorageRefused, LeaseLost)
"""Errors of the store or of the attempt, not of what the report contains."""


class LocalLink:
    """`holdfast.context.worker_link.WorkerLink` for a job that runs in the worker process itself."""

    # Defaults of the class: a job that reports nothing costs nothing here. What every attempt reads is set in `__init__`,
    # because Python finds it sooner there.
    _progress: dict[str, Any] | None = None
    _snapshot: Snapshot | None = None
    _logs: list[LogLine] | None = None
    _deliveries: list[LocalDelivery] | None = None
    _flight: Flight | None = None
    _held: dict[str, float] | None = None
    """The marks of the newest snapshot that is known to be stored."""
    _landing: asyncio.Future[None] | None = None
    _woken: threading.Event | None = None
    _waiters: frozenset[asyncio.Future[None]] = frozenset()
    _closed = False
    was_pausing = False
    """A pause was requested during this attempt, even if it was withdrawn."""
    refused: str | None = None
    """Why the store has refused a report of this attempt for good."""

    def __init__(self, job: Claimed, batcher: ReportBatcher) -> None:
        self.flags = Flags()
        self.memory: Remembering | None = None
        self.silent = True
        """Nothing has come from the job: no memory, no report."""
        self._job = job
        self._batcher = batcher
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

    def remember(self, memory: Remembering) -> None:
        with self._lock:
            self.silent = False
            self.memory = memory
            closed = self._closed
        if not closed:
            self._batcher.watch(self)

    def progress(self, value: dict[str, Any]) -> None:
        with self._lock:
            if self._closed:
                return
            self.silent = False
            self._progress = value
        self._batcher.note(self)

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        line = LogLine(at, level, clean_text(message, MAX_LOG_LINE), fields)
        with self._lock:
            if self._closed:
                return
            self.silent = False
            if self._logs is None:
                self._logs = []
            self._logs.append(line)
        self._batcher.note(self)

    def hold(self, snapshot: Snapshot) -> None:
        with self._lock:
            if self._closed:
                return
            self.silent = False
            self._snapshot = snapshot
        self._batcher.note(self)

    def store(self, snapshot: Snapshot) -> LocalDelivery:
        delivery = LocalDelivery(self)
        with self._lock:
            if self._closed:
                delivery.done, delivery.error = True, self._lease_lost()
                return delivery
            self.silent = False
            self._snapshot = snapshot
            if self._deliveries is None:
                self._deliveries = []
            self._deliveries.append(delivery)
        return delivery

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
        """Set or clear flags, and wake the job if it sleeps."""
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
            wake(waiter)

    def mark_ended(self) -> None:
        """The function has been left: what it left running stops at its next checkpoint."""
        self.raise_flag(ended=True)

    def disown(self) -> None:
        """See `AttemptPort`. A thread that is not here may have the lock."""
        self._lock = threading.Lock()
        self._closed = True
        vars(self.flags).update(lost=True, any=True)

    def tick(self) -> None:
        """Let the memory report what has changed."""
        if self.memory is not None and not self._closed:
            self.memory.tick()

    def close(self) -> bool:
        """The attempt has ended: nothing more is taken, and no further report is sent. Returns whether anything has come
        from the job: then the `landing` of a report in flight is to be awaited, and the `last_report` taken."""
        with self._lock:
            self._closed = True
            if self.silent:
                return False
            late, self._deliveries = self._deliveries, None
        if self.memory is not None:
            self._batcher.forget(self)
        for delivery in late or ():
            self._settle(delivery, self._lease_lost())
        return True

    @property
    def in_flight(self) -> bool:
        """Whether a report has been sent and not confirmed yet."""
        return self._flight is not None

    async def landing(self) -> None:
        """Wait until the report in flight is confirmed or has failed."""
        with self._lock:
            if self._flight is None:
                return
            landing = self._landing = asyncio.get_running_loop().create_future()
        await landing

    def last_report(self) -> Report | None:
        """What is left to be stored with the settlement of a closed port."""
        if self._snapshot is None and self._progress is None and self._logs is None:
            return None
        return self._report()

    # -- reports ------------------------------------------------------------------------------------------------------------

    def send_here(self, delivery: LocalDelivery) -> None:
        """Send the report that carries `delivery` from this thread, unless one is in flight: its end sends the next one."""
        flight = Flight()
        try:
            if not self._take_off(flight, delivery):
                return
            results = self._batcher.gateway.run(StoreReports([flight.report]))
        except Exception as error:
            self.land(flight, error=error)
        except BaseException:
            # the job is ended by force and does not learn whether the report was stored: it is sent again
            self.land(flight, interrupted=True)
            raise
        else:
            self.land(flight, answer=results[0])

    def send_elsewhere(self, delivery: LocalDelivery) -> None:
        """`send_here` that does not block: the gateway's thread sends."""
        flight = Flight()
        if self._take_off(flight, delivery):
            self._submit(flight)

    def when_done(self, delivery: LocalDelivery, wake: Callable[[], object]) -> None:
        """Call `wake` when `delivery` is done, at once if it is."""
        with self._lock:
            if not delivery.done:
                delivery.wakes.append(wake)
                return
        wake()

    def take_off(self) -> Flight | None:
        """The next report, for the batcher. None when nothing waits, one is in flight, or the attempt has ended."""
        flight = Flight()
        return flight if self._has_news and self._take_off(flight) else None

    def landed(self, flight: Flight, future: Future[list[str]]) -> None:
        """The operation of `flight` is over."""
        if future.cancelled():
            self.land(flight, error=StorageUnavailable("The call was cancelled. Nothing was stored."))
        elif (error := future.exception()) is not None:
            self.land(flight, error=error)
        else:
            self.land(flight, answer=future.result()[0])

    def land(
        self,
        flight: Flight,
        *,
        answer: str = "",
        error: BaseException | None = None,
        interrupted: bool = False,
    ) -> None:
        """The report was confirmed or has failed. After a failure what it carried waits again, unless the store has refused
        it. Deliveries that wait are sent next."""
        following = Flight()
        if error is not None and not isinstance(error, _TRIED_AGAIN):
            error = self._refuse(error)
        with self._lock:
            if self._flight is not flight:
                return  # it was interrupted before it took off
            if interrupted or (error is not None and not isinstance(error, InvalidInput)):
                self._put_back(flight)
            elif flight.snapshot is not None:
                self._held = flight.snapshot.held
            self._flight = None
            if interrupted and not self._closed:
                self._deliveries, flight.deliveries = [*flight.deliveries, *(self._deliveries or ())], []
            sends_next = bool(self._deliveries) and not self._closed and self._fill(following)
            landing, has_news = self._landing, self._has_news and not self._closed
        if sends_next:
            self._submit(following)
        elif has_news:
            self._batcher.note(self)
        if landing is not None:
            wake(landing)
        self._hear(answer)
        lost = answer == LOST or interrupted
        for delivery in flight.deliveries:
            self._settle(delivery, self._lease_lost() if lost else error)

    @property
    def _has_news(self) -> bool:
        return self._snapshot is not None or self._progress is not None or bool(self._logs)

    def _take_off(self, flight: Flight, delivery: LocalDelivery | None = None) -> bool:
        with self._lock:
            if delivery is not None and delivery.done:
                return False
            return self._flight is None and not self._closed and self._fill(flight)

    def _fill(self, flight: Flight) -> bool:
        """Move all that waits into `flight`. The last lines call nothing, so force does not come between them."""
        deliveries, logs = self._deliveries or [], self._logs or []
        flight.report = self._report()
        flight.progress, flight.snapshot, flight.logs, flight.deliveries = (
            self._progress,
            self._snapshot,
            logs,
            deliveries,
        )
        self._flight = flight
        self._progress = self._snapshot = self._logs = self._deliveries = None
        return True

    def _report(self) -> Report:
        snapshot, progress = self._snapshot, self._progress
        held = self._held if snapshot is None else snapshot.held
        return Report(
            self._job.seq,
            self._job.token,
            None if progress is None else progress_text(progress, held),
            None if snapshot is None else snapshot.saved,
            tuple(self._logs or ()),
        )

    def _refuse(self, error: BaseException) -> InvalidInput:
        """The store refuses what this report says, so it is not sent again: the attempt stops at its next checkpoint, and
        fails with the reason."""
        info = error_info(error)
        self.refused = f"The store refused what the job reported: {info.type}: {info.message}"
        self.raise_flag(stop=True)
        return InvalidInput(self.refused)

    def _put_back(self, flight: Flight) -> None:
        """What is newer stays."""
        self._logs = [*flight.logs, *(self._logs or ())] or None
        if self._progress is None:
            self._progress = flight.progress
        if self._snapshot is None:
            self._snapshot = flight.snapshot

    def _submit(self, flight: Flight) -> None:
        try:
            future = self._batcher.gateway.submit(StoreReports([flight.report]))
        except Exception as error:
            self.land(flight, error=error)
        else:
            future.add_done_callback(partial(self.landed, flight))

    def _settle(self, delivery: LocalDelivery, error: BaseException | None) -> None:
        with self._lock:
            delivery.error = error
            delivery.done = True
            wakes = delivery.wakes
        for call in wakes:
            call()

    def _hear(self, answer: str) -> None:
        """Take the store's answer to a report: what is requested, or that the job is lost."""
        if self._closed or not answer:
            return
        if answer == LOST:
            self.raise_flag(lost=True)
        else:
            self.raise_flag(pause=answer == "pause", cancel=answer == "cancel")

    def _lease_lost(self) -> LeaseLost:
        return LeaseLost(f"Job {self._job.id} belongs to another attempt now; this one must stop.")
