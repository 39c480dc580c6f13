"""The time between the end of a job's function and the end of its attempt: what it has left running ends first.

So an attempt has no effect after its end is stored. After a success the loop bodies that still run are awaited; after any
other end they are stopped at their next checkpoint, which they have to reach within a grace time. Other tasks that are left
are cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from holdfast.core.outcome import AttemptResult, Interrupted, ResultKind
from holdfast.worker.attempt import warn
from holdfast.worker.executors.base import AttemptPort

Tasks = Iterable[asyncio.Task[Any]]

GRACE = 10.0
"""Seconds for which loop bodies that still run may reach their next checkpoint, when the function has not succeeded."""

CANCEL_GRACE = 3.0
"""Seconds for which a task that was cancelled may clean up."""

POLL_INTERVAL = 0.02


def is_working(port: AttemptPort) -> bool:
    """Whether a loop body of the attempt is running."""
    return port.memory is not None and port.memory.working > 0


async def end_tasks(
    port: AttemptPort,
    ended: AttemptResult,
    tasks: Callable[[], Tasks],
    *,
    grace: float,
    forced: Callable[[], str | None],
) -> AttemptResult:
    """Bring all `tasks` of the attempt, and the loop bodies in its threads, to their end. `forced` returns why the attempt
    is ended by force, None when it is not; force cancels the task that runs this."""
    left = _Left(tasks)
    if not left.now() and not is_working(port):
        return ended
    succeeded = ended.end is ResultKind.SUCCEEDED
    if not succeeded:
        port.mark_ended()
    try:
        if forced() is None:
            await _until_idle(port, left, None if succeeded else monotonic() + grace)
    except asyncio.CancelledError:  # force, or the end of the worker's loop
        port.mark_ended()
        if succeeded:
            ended = AttemptResult(ResultKind.INTERRUPTED, reason=forced())
    if (count := len(left.now())) and succeeded:
        warn(port, f"the job returned while {count} of its tasks were still running; they are cancelled")
    await _cancel(left)
    _report(port, left)
    return ended


def end_threads(port: AttemptPort, ended: AttemptResult, *, grace: float, forced: bool) -> AttemptResult:
    """Wait for the loop bodies that run in threads which the function has started. Force raises in here."""
    if not is_working(port):
        return ended
    until = None
    if ended.end is not ResultKind.SUCCEEDED:
        port.mark_ended()
        until = monotonic() + (0.0 if forced else grace)
    while is_working(port) and (until is None or monotonic() < until):
        time.sleep(POLL_INTERVAL)
    _report_threads(port)
    return ended


class _Left:
    """The tasks that the function has left running: `now()` those that have not ended yet, `seen` all."""

    def __init__(self, tasks: Callable[[], Tasks]) -> None:
        self._tasks = tasks
        self.seen: set[asyncio.Task[Any]] = set()

    def now(self) -> set[asyncio.Task[Any]]:
        running = {task for task in self._tasks() if not task.done()}
        self.seen |= running
        return running


async def _until_idle(port: AttemptPort, left: _Left, until: float | None) -> None:
    """Wait until no loop body runs and no async generator is being closed, at most until then."""
    while is_working(port) or any(_closes_generator(task) for task in left.now()):
        if until is not None and monotonic() >= until:
            return
        if running := left.now():
            await asyncio.wait(running, timeout=POLL_INTERVAL, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(POLL_INTERVAL)


async def _cancel(left: _Left) -> None:
    """Cancel what is left, also what starts meanwhile, and wait for it."""
    until = monotonic() + CANCEL_GRACE
    cancelled = set[asyncio.Task[Any]]()
    while (running := left.now()) and monotonic() < until:
        for task in running - cancelled:
            task.cancel("the attempt has ended")
        cancelled |= running
        try:
            await asyncio.wait(running, timeout=POLL_INTERVAL)
        except asyncio.CancelledError:  # all is cancelled already
            continue


def _report(port: AttemptPort, left: _Left) -> None:
    """Write to the console what became of the tasks that were left."""
    if stubborn := left.now():
        warn(port, f"{len(stubborn)} tasks of the job do not end, although they were cancelled")
    for task in left.seen - stubborn:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Interrupted):
            warn(port, "a task that the job had left running failed", error)
    _report_threads(port)


def _report_threads(port: AttemptPort) -> None:
    if is_working(port):
        warn(
            port,
            "loops of the job still run in threads that it has started; they stop at their next checkpoint",
        )


def _closes_generator(task: asyncio.Task[Any]) -> bool:
    """Whether the event loop has made this task to close an async generator that was left early: cancelling it would skip
    the generator's own `finally`."""
    return type(task.get_coro()).__name__ == "async_generator_athrow"
