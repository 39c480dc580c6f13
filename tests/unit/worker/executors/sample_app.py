"""Jobs that behave in every way an executor must be able to bear. Imported by the tests and by the child processes."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from holdfast import Cancel, Fail, Holdfast, JobContext, Retry, Snooze

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
