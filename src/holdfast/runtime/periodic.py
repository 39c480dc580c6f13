"""Parts of a process that run until it ends: restarted when they fail, and ending the process when that does not help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.runtime.signals import Signals
from holdfast.storage.topics import Topic

MAX_BACKOFF: Final = 10.0
MIN_INTERVAL: Final = 0.005

MAX_FAILURES = 5
"""Failures, none of them after STEADY seconds of work, that end the process of a part."""
STEADY = 60.0

STORE_ERRORS: Final = (StorageUnavailable, StorageRefused)
"""Errors of the store. They are waited out, for as long as they last, and do not count as failures of a part."""

log = structlog.get_logger("holdfast.runtime")


class FailedTooOften(RuntimeError):
    """A part of this process cannot do its work: the process must end, so that another one takes over."""


async def keep_running(name: str, body: Callable[[], Awaitable[None]]) -> None:
    """Run `body` until it returns. When it raises, it is restarted after a pause. Raises FailedTooOften."""
    loop = asyncio.get_running_loop()
    failures = outages = 0
    while True:
        began = loop.time()
        try:
            await body()
            return
        except STORE_ERRORS as error:
            outages = 1 if loop.time() - began > STEADY else outages + 1
            pause = backoff(outages)
            log_store_unavailable(name, error, pause)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                raise
            failures = 1 if loop.time() - began > STEADY else failures + 1
            if failures >= MAX_FAILURES:
                raise FailedTooOften(f"{name} has failed {failures} times") from error
            pause = backoff(failures)
            log.error(
                "a part of this process failed; restarting it",
                part=name,
                times=failures,
                again_in=round(pause, 2),
                exc_info=error,
            )
        await asyncio.sleep(pause)


def when_it_fails(task: asyncio.Task[None], call: Callable[[], None]) -> None:
    """Log the failure of a task, whenever it comes, and `call`."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "a part of this process failed; stopping the process", part=task.get_name(), exc_info=error
            )
            call()

    task.add_done_callback(ended)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return min(MAX_BACKOFF, 0.25 * 2 ** min(failures, 10)) * (0.5 + random.random() / 2)


def log_store_unavailable(part: str, error: Exception, pause: float) -> None:
    """Log that the store is unavailable, in the same form for every part."""
    log.warning("storage unavailable", part=part, error=str(error), again_in=round(pause, 2))


def _is_being_cancelled() -> bool:
    """Whether this task is being cancelled. When only something that it awaits was cancelled, that is a failure."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class PeriodicTask(Protocol):
    """A task that is done again and again."""

    name: str
    topics: Sequence[Topic]
    """Signals that make it run earlier."""

    async def run_once(self) -> float:
        """Do it. Returns the seconds until it is to be done again."""
        ...


class PeriodicRunner:
    """Runs one task until stopped; `failed` is called when it has failed too often. Starting twice and stopping before the
    start are harmless."""

    def __init__(self, task: PeriodicTask, signals: Signals, failed: Callable[[], None]) -> None:
        self._task_body = task
        self._signals = signals
        self._failed = failed
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running event loop."""
        if self._task is None:
            self._task = asyncio.create_task(
                keep_running(self._task_body.name, self._repeat), name=self._task_body.name
            )
            when_it_fails(self._task, self._failed)

    async def stop(self) -> None:
        """End. A run of the task that is under way is abandoned between two store calls."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _repeat(self) -> None:
        listener = self._signals.listen(self._task_body.topics) if self._task_body.topics else None
        outages = 0
        try:
            while True:
                try:
                    delay = await self._task_body.run_once()
                    outages = 0
                except STORE_ERRORS as error:
                    outages += 1
                    delay = backoff(outages)
                    log_store_unavailable(self._task_body.name, error, delay)
                if listener is None or outages:
                    await asyncio.sleep(delay)
                else:
                    await listener.wait_async(delay)
                    await asyncio.sleep(MIN_INTERVAL)
        finally:
            if listener is not None:
                listener.close()
