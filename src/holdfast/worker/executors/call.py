"""This exists so that a job function is called the same way, with the same arguments and the same ends, wherever it runs."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from holdfast.client.task import JobType
from holdfast.context import JobContext
from holdfast.context.port import Port
from holdfast.core.outcome import Ended
from holdfast.worker.attempt import ending, success


def arguments(kind: JobType, text: str, port: Port) -> dict[str, Any]:
    """The keyword arguments of one call, with the context where the function wants one. Raises InvalidArguments."""
    values = kind.load(text)
    if kind.context_parameter is not None:
        values[kind.context_parameter] = JobContext(port)
    return values


def returned(value: Any) -> Ended:
    """The end of a function that returned `value`, whatever happens while it is made into JSON."""
    try:
        return success(value)
    except Exception as error:  # a property or serializer of the user's own class
        return ending(error)


def call(
    kind: JobType, text: str, port: Port, *, offer_cancel: Callable[[Callable[[], None]], None] | None = None
) -> Ended:
    """Run a function to its end in this thread; an asynchronous one in an event loop of its own.

    `offer_cancel` is then given a function that cancels it from any thread (RuntimeError when its loop is closed)."""
    try:
        if kind.is_async:
            return asyncio.run(_call_async(kind, text, port, offer_cancel))
        return returned(kind.function(**arguments(kind, text, port)))
    except BaseException as error:
        # SystemExit and Interrupted too: the end of a job is never the end of its thread
        return ending(error)


async def _call_async(
    kind: JobType, text: str, port: Port, offer_cancel: Callable[[Callable[[], None]], None] | None
) -> Ended:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if offer_cancel is not None and task is not None:
        offer_cancel(lambda: _cancel_soon(loop, task))
    value = kind.function(**arguments(kind, text, port))
    return returned(await value if inspect.isawaitable(value) else value)


def _cancel_soon(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    loop.call_soon_threadsafe(task.cancel)
