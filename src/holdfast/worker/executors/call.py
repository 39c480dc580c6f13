"""How a job's function is called: the same way, with the same arguments and the same ends, wherever it runs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from holdfast.client.task import JobType
from holdfast.context import JobContext
from holdfast.context.loops import around
from holdfast.context.worker_link import WorkerLink
from holdfast.core.outcome import AttemptResult
from holdfast.worker.attempt import encode, raised, returned
from holdfast.worker.executors.base import AttemptPort
from holdfast.worker.executors.forks import leave_if_copy
from holdfast.worker.executors.windup import GRACE, end_tasks, end_threads


class Force:
    """Whether a call is ended by force. `because` is why; `reached`: it was raised inside the call, which may swallow it."""

    __slots__ = ("because", "cancel", "reached")

    def __init__(self) -> None:
        self.because: str | None = None
        self.reached = False
        self.cancel: Callable[[], None] | None = None
        """Ends an asynchronous function from any thread; RuntimeError when its loop is closed."""

    @property
    def reason(self) -> str | None:
        return self.because if self.reached else None


def arguments(kind: JobType, text: str, port: WorkerLink) -> dict[str, Any]:
    """The keyword arguments of one call, with the context where the function wants one. Raises InvalidArguments."""
    values = kind.load(text)
    if kind.context_parameter is not None:
        values[kind.context_parameter] = JobContext(
            port, kind.options.state_version, kind.options.migrate, encode
        )
    return values


def call(
    kind: JobType, text: str, port: AttemptPort, *, force: Force | None = None, grace: float = GRACE
) -> AttemptResult:
    """Run a function to its end in this thread, an asynchronous one in an event loop of its own, and then what it has left
    running. To be called in a copy of the context variables."""
    force = force or Force()
    around.set(port)
    try:
        if kind.is_async:
            return asyncio.run(_call_async(kind, text, port, force, grace))
        ended = _call_here(kind, text, port, force)
        return end_threads(port, ended, grace=grace, forced=force.reached)
    except BaseException as error:
        # SystemExit and Interrupted too: the end of a job is never the end of its thread
        return raised(error, port, force.reason)


def _call_here(kind: JobType, text: str, port: AttemptPort, force: Force) -> AttemptResult:
    try:
        value = kind.function(**arguments(kind, text, port))
    except BaseException as error:
        leave_if_copy()
        return raised(error, port, force.reason)
    leave_if_copy()
    return returned(value, port, force.reason)


async def _call_async(
    kind: JobType, text: str, port: AttemptPort, force: Force, grace: float
) -> AttemptResult:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def cancel_here() -> None:
        force.reached = True
        task.cancel()

    def others() -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks() - {task}

    force.cancel = lambda: _in_loop(loop, cancel_here)
    try:
        value = kind.function(**arguments(kind, text, port))
        value = await value if inspect.isawaitable(value) else value
    except GeneratorExit:
        raise  # the loop is closed under a task that was left behind
    except BaseException as error:
        leave_if_copy()
        ended = raised(error, port, force.reason)
    else:
        leave_if_copy()
        ended = returned(value, port, force.reason)
    return await end_tasks(port, ended, others, grace=grace, forced=lambda: force.reason)


def _in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(callback)
