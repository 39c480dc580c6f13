"""Jobs that do what no job should, and whose affair that has to stay."""

# ruff: noqa: T201 - that they print is the point
from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import socket
import sys
import threading
from datetime import UTC, datetime
from typing import Any

from holdfast import Holdfast, JobContext

RUNS: list[str] = []
"""Which steps have run in this process."""


def add_to(app: Holdfast) -> None:
    """Register them."""
    for function in (forks, prints, keeps_odd_things, keeps_nothing, keeps_nothing_of_map):
        app.job()(function)
        app.job(name=f"{function.__name__}_async")(_in_a_loop(function))
    for function in (
        cancels_itself_async,
        exits_in_a_task_async,
        prints_everywhere_async,
        stops_its_loop_async,
    ):
        app.job()(function)
    app.job()(exits_in_a_thread)
    app.job()(sets_a_default_timeout)


def _in_a_loop(function: Any) -> Any:
    """The same function as a coroutine."""
    wants = list(function.__annotations__)
    if "ctx" in wants and "n" in wants:

        async def both(ctx: JobContext, n: int) -> Any:
            return function(ctx, n)

        return both
    if "ctx" in wants:

        async def context(ctx: JobContext) -> Any:
            return function(ctx)

        return context

    async def plain(n: int) -> Any:
        return function(n)

    return plain


def forks(ctx: JobContext, n: int) -> str:
    """The copy speaks for the job in every way there is, and returns."""
    pid = os.fork()
    if pid == 0:
        ctx.log.info("of the copy")
        ctx.progress(99)
        print("of the copy")
        return f"of the copy {n}"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return f"of the job {n}"


def prints(n: int) -> int:
    print("line", n)
    print("two\nlines", end="")
    print(" and more\r10 %\r100 %", end="\n\n")
    print("trouble", file=sys.stderr)
    logging.getLogger("of.a.library").info("row %d", n, extra={"row": n})
    logging.getLogger("of.a.library").error("bad")
    logging.getLogger("of.a.library").debug("not asked for")
    sys.stdout.write("last words")
    return n


async def prints_everywhere_async(n: int) -> None:
    """From a task, a callback, a thread and a generator of many attempts at once."""

    async def task() -> None:
        sys.stdout.write("task ")
        await written.wait()
        print(n)

    called, written = asyncio.Event(), asyncio.Event()

    def callback() -> None:
        print("callback", n)
        called.set()

    one = asyncio.create_task(task())
    asyncio.get_running_loop().call_soon(callback)
    await asyncio.to_thread(print, "thread", n)
    await called.wait()
    sys.stdout.write("half ")
    written.set()
    await one
    print(n)


def keeps_odd_things(ctx: JobContext) -> Any:
    return [
        ctx.step("when", lambda: RUNS.append("when") or datetime(2026, 7, 1, tzinfo=UTC)),
        ctx.step("set", lambda: {7}),
    ]


def keeps_nothing(ctx: JobContext) -> None:
    ctx.step("bad", lambda: RUNS.append("bad") or object())


def keeps_nothing_of_map(ctx: JobContext) -> None:
    run = contextvars.copy_context().run
    # in a thread of its own: in an event loop ctx.map has to be awaited
    failed: list[BaseException] = []

    def work() -> None:
        try:
            ctx.map(lambda item: object(), [1])
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, args=(work,))
    thread.start()
    thread.join()
    raise failed[0]


async def cancels_itself_async(ctx: JobContext) -> str:
    ctx.log.info("about to be cancelled")
    await asyncio.sleep(0.4)  # the report is on its way
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "done"


async def exits_in_a_task_async(how: str) -> str:
    async def leave() -> None:
        raise SystemExit(3) if how == "exit" else KeyboardInterrupt

    if how == "callback":
        asyncio.get_running_loop().call_soon(sys.exit, 3)
        await asyncio.sleep(0.01)
        return "done"
    await asyncio.create_task(leave())
    return "done"


async def stops_its_loop_async(how: str) -> str:
    loop = asyncio.get_running_loop()
    if how == "thread":
        await asyncio.to_thread(loop.call_soon_threadsafe, loop.stop)
    else:
        loop.stop()
    await asyncio.sleep(0.01)
    return "done"


def exits_in_a_thread() -> str:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    return "done"


def sets_a_default_timeout() -> None:
    socket.setdefaulttimeout(0.05)
