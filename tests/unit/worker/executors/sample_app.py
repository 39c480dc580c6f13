"""Jobs that behave in every way an executor must be able to bear. Imported by the tests and by the child processes."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from holdfast import Cancel, Fail, Holdfast, JobContext, Retry, Snooze
from holdfast.core.errors import LeaseLost
from holdfast.core.outcome import Interrupted
from tests.unit.worker.executors import odd_jobs

app = Holdfast()
seen: contextvars.ContextVar[int] = contextvars.ContextVar("seen", default=0)


@app.job()
def add(a: int, b: int) -> int:
    return a + b


@app.job()
async def add_async(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


@app.job()
def whoami() -> list[int | bool]:
    count = seen.get() + 1
    seen.set(count)
    return [os.getpid(), threading.current_thread() is threading.main_thread(), count]


@app.job()
def walk(ctx: JobContext, path: str, n: int, delay: float = 0.002) -> int:
    """Writes each item to a file, one line each, and so proves which were done."""
    with Path(path).open("a") as file:
        for item in ctx.track(range(n)):
            file.write(f"{item}\n")
            file.flush()
            time.sleep(delay)
    return n


@app.job()
async def walk_async(ctx: JobContext, path: str, n: int, delay: float = 0.002) -> int:
    with Path(path).open("a") as file:
        async for item in ctx.track(range(n)):
            file.write(f"{item}\n")
            file.flush()
            await asyncio.sleep(delay)
    return n


@app.job()
def keep(ctx: JobContext) -> int:
    ctx.checkpoint({"n": ctx.state.get("n", 0) + 1})
    return ctx.step("pid", os.getpid)


@app.job()
async def keep_async(ctx: JobContext) -> int:
    await ctx.checkpoint_async({"n": ctx.state.get("n", 0) + 1})
    return await ctx.step_async("pid", os.getpid)


@app.job()
def nap(ctx: JobContext) -> None:
    ctx.log.info("asleep")
    ctx.sleep(60)


@app.job()
async def nap_async(ctx: JobContext) -> None:
    ctx.log.info("asleep")
    await ctx.sleep(60)


@app.job()
def stubborn(ctx: JobContext, seconds: float = 60.0) -> str:
    """Never looks at its flags; Python code all the time."""
    ctx.log.info("busy")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "to the end"


@app.job()
def blocked(ctx: JobContext, seconds: float) -> str:
    """In foreign code all the time."""
    ctx.log.info("busy")
    time.sleep(seconds)
    return "to the end"


@app.job()
async def stubborn_async(ctx: JobContext) -> None:
    ctx.log.info("busy")
    await asyncio.sleep(60)


@app.job()
def parent_of(ctx: JobContext) -> None:
    """Starts a program and waits for it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    ctx.log.info(str(child.pid))
    child.wait()


@app.job()
def die(ctx: JobContext, how: str) -> None:
    ctx.log.warning("last words")
    match how:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sys.exit":
            sys.exit(4)


@app.job()
def end(how: str) -> object:
    return _end(how)


def _end(how: str) -> object:
    match how:
        case "fail":
            raise Fail("no")
        case "retry":
            raise Retry(delay=3)
        case "snooze":
            raise Snooze(4)
        case "cancel":
            raise Cancel("enough")
        case "cancelled":
            raise asyncio.CancelledError
        case "unprintable":
            raise Unprintable
        case "not json":
            return object()
        case "nan":
            return float("nan")
        case _:
            raise ValueError(how)


@app.job()
def chatty(ctx: JobContext, lines: int, size: int) -> None:
    for n in range(lines):
        ctx.log.info("%d %s", n, "x" * size)
        ctx.progress(n + 1, lines)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@app.job()
def threads_setting() -> int:
    return app.settings.threads


def _note(path: str, *words: object) -> None:
    with Path(path).open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


@app.job()
def walk_to(ctx: JobContext, item: int, how: str) -> None:
    """Quick items, each counted in the state, and then an end of this kind."""
    for n in ctx.track(range(100)):
        if n == item:
            _end(how)
        ctx.state["sum"] = ctx.state.get("sum", 0) + n


@app.job()
async def walk_to_async(ctx: JobContext, item: int, how: str) -> None:
    async for n in ctx.track(range(100)):
        if n == item:
            _end(how)
        ctx.state["sum"] = ctx.state.get("sum", 0) + n


@app.job()
def bad_state(ctx: JobContext, how: str) -> None:
    ctx.state["now"] = object()
    _end(how)


@app.job()
async def bad_state_async(ctx: JobContext, how: str) -> None:
    ctx.state["now"] = object()
    _end(how)


@app.job()
def swallow(ctx: JobContext) -> str:
    """Swallows whatever ends it."""
    ctx.log.info("busy")
    with contextlib.suppress(BaseException):
        for _ in ctx.track(range(10_000)):
            time.sleep(0.005)
    return "done"


@app.job()
async def swallow_async(ctx: JobContext) -> str:
    ctx.log.info("busy")
    await asyncio.gather(_swallow_part(ctx, "a"), _swallow_part(ctx, "b"), return_exceptions=True)
    return "done"


async def _swallow_part(ctx: JobContext, name: str) -> None:
    async for _ in ctx.track(range(10_000), name=name):
        await asyncio.sleep(0.005)


@app.job()
def swallow_force(ctx: JobContext) -> str:
    ctx.log.info("busy")
    with contextlib.suppress(BaseException):
        while True:
            time.sleep(0.005)
    return "done"


@app.job()
async def swallow_force_async(ctx: JobContext) -> str:
    ctx.log.info("busy")
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    return "done"


@app.job()
def deaf(ctx: JobContext) -> str:
    """Has no memory, hears an interruption, and returns all the same."""
    ctx.log.info("busy")
    with contextlib.suppress(BaseException):
        ctx.sleep(60)
    return "done"


@app.job()
async def deaf_async(ctx: JobContext) -> str:
    ctx.log.info("busy")
    with contextlib.suppress(BaseException):
        await ctx.sleep(60)
    return "done"


async def _part(ctx: JobContext, path: str, name: str, seconds: float) -> None:
    async for item in ctx.track(range(200), name=name):
        await asyncio.sleep(seconds)
        _note(path, name, item)


@app.job()
async def siblings_async(ctx: JobContext, path: str) -> None:
    await asyncio.gather(_part(ctx, path, "quick", 0.01), _part(ctx, path, "slow", 0.15))


@app.job()
def siblings(ctx: JobContext, path: str) -> None:
    """A loop in a thread of its own, which is not joined, beside one in the job's own."""

    def part(name: str, seconds: float) -> None:
        for item in ctx.track(range(200), name=name):
            time.sleep(seconds)
            _note(path, name, item)

    _start_thread(part, "slow", 0.15)
    part("quick", 0.01)


def _start_thread(function: Callable[..., None], *args: object) -> None:
    def quietly() -> None:
        with contextlib.suppress(Interrupted, LeaseLost):
            function(*args)

    threading.Thread(target=contextvars.copy_context().run, args=(quietly,), daemon=True).start()


@app.job()
async def leaves_a_heartbeat_async(path: str) -> str:
    """A job without a context, whose task is left running."""

    async def beat() -> None:
        while True:
            _note(path, "beat")
            await asyncio.sleep(0.005)

    task = asyncio.create_task(beat())
    await asyncio.sleep(0.02)
    return "done" if not task.done() else "it ended"


@app.job()
async def leaves_a_loop_async(ctx: JobContext, path: str, seconds: float = 0.01) -> str:
    async def loop() -> None:
        for item in ctx.track(range(10)):
            await asyncio.sleep(seconds)
            _note(path, item)

    ctx.log.info("busy")
    loop_task = asyncio.create_task(loop())
    await asyncio.sleep(0.005)
    assert not loop_task.done()
    return "done"


@app.job()
def leaves_a_loop(ctx: JobContext, path: str, seconds: float = 0.01) -> str:
    begun = threading.Event()

    def loop() -> None:
        for item in ctx.track(range(10)):
            begun.set()
            time.sleep(seconds)
            _note(path, item)

    ctx.log.info("busy")
    _start_thread(loop)
    begun.wait()
    return "done"


@app.job()
async def fails_beside_a_sleeper_async(ctx: JobContext) -> None:
    async def sleeper() -> None:
        async for _ in ctx.track(range(10)):
            await ctx.sleep(60)

    asyncio.create_task(sleeper())  # noqa: RUF006 - that it is left is the point
    await asyncio.sleep(0.01)
    raise ValueError("no")


@app.job()
async def leaves_a_failing_task_async() -> None:
    async def fail() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("while it cleaned up")

    asyncio.create_task(fail())  # noqa: RUF006 - that it is left is the point
    await asyncio.sleep(0.01)


@app.job()
async def leaves_a_generator_async(ctx: JobContext, path: str) -> str:
    """A generator that was left early needs a moment for its own cleaning up."""

    async def items() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0.05)
            _note(path, "closed")

    async for _ in items():
        break
    await asyncio.sleep(0.01)
    return "done"


odd_jobs.add_to(app)
