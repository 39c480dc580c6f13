"""Jobs of the system tests. Whatever they do to the outside world is one line in a file that survives every death."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from holdfast import Cancel, Fail, Holdfast, JobContext, Retry, Snooze
from holdfast.core.errors import LeaseLost
from holdfast.core.outcome import Interrupted


def effect(ctx: JobContext, what: str, **more: Any) -> None:
    """Leave a line: one write in append mode, so that lines of many processes do not mix."""
    fields = {
        "job": ctx.id,
        "what": what,
        "token": ctx.fence_token,
        "attempt": ctx.attempt,
        "pid": os.getpid(),
        **more,
    }
    line = json.dumps({**fields, "at": time.time_ns() // 1000}) + "\n"
    fd = os.open(_folder() / "effects.jsonl", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def _folder() -> Path:
    return Path(os.environ["HOLDFAST_TEST_FOLDER"])


def is_open(ctx: JobContext, barrier: str) -> bool:
    """Whether a barrier lets this run pass: it was opened for all, or for the run with this token."""
    names = (f"barrier-{barrier}", f"barrier-{barrier}-{ctx.fence_token}")
    return not barrier or any((_folder() / name).exists() for name in names)


@contextmanager
def telling_loss(ctx: JobContext) -> Generator[None]:
    try:
        yield
    except LeaseLost:
        effect(ctx, "lost")
        raise


# -- work that holds its place --------------------------------------------------------------------------------------------


async def items_loop(ctx: JobContext, n: int, pause: float = 0.0, barrier: str = "", at: int = 0) -> int:
    """One effect for each item; waits at item `at` for `barrier`. Returns which run came to the end."""
    with telling_loss(ctx):
        async for item in ctx.track(range(n), every=1):
            effect(ctx, "item", item=item)
            await asyncio.sleep(pause)
            while item == at and not is_open(ctx, barrier):
                await asyncio.sleep(0.005)
    return ctx.fence_token


def items_sync(ctx: JobContext, n: int, pause: float = 0.0, barrier: str = "", at: int = 0) -> int:
    """The same for threads and child processes."""
    with telling_loss(ctx):
        for item in ctx.track(range(n), every=1):
            effect(ctx, "item", item=item)
            time.sleep(pause)
            while item == at and not is_open(ctx, barrier):
                time.sleep(0.005)
    return ctx.fence_token


async def steps(ctx: JobContext, n: int = 4, pause: float = 0.0) -> int:
    """Steps whose results are kept; the effect carries the number of the step as its item."""

    async def one(number: int) -> int:
        effect(ctx, "item", item=number)
        await asyncio.sleep(pause)
        return number

    return sum([await ctx.step_async(f"step {number}", one, number) for number in range(n)])


# -- a last moment: work that is over when the barrier opens, without looking at any flag ----------------------------------


async def end_loop(ctx: JobContext, barrier: str) -> int:
    effect(ctx, "at the end")
    while not is_open(ctx, barrier):
        await asyncio.sleep(0.005)
    return ctx.fence_token


def end_sync(ctx: JobContext, barrier: str) -> int:
    effect(ctx, "at the end")
    while not is_open(ctx, barrier):
        time.sleep(0.005)
    return ctx.fence_token


# -- ill behaviour --------------------------------------------------------------------------------------------------------


def misbehave(ctx: JobContext, how: str, seconds: float = 600.0, *, once: bool = False) -> None:
    """Do what no job should; `once`: in the first run only."""
    fifo = _folder() / "fifo"
    if how == "gil until released":
        os.mkfifo(fifo)
    effect(ctx, how)
    if once and ctx.fence_token > 1:
        return
    match how:
        case "exit":
            os._exit(0)
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "memory":
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
            hoard = [bytes(1 << 28) for _ in range(16)]
            raise AssertionError(f"there was memory for {len(hoard)}")
        case "hog":
            connection = apsw.Connection(str(Path(os.environ["HOLDFAST_DATA_DIR"]) / "holdfast.db"))
            connection.execute("BEGIN IMMEDIATE")
            effect(ctx, "in a transaction")
            hold_gil(seconds)
        case "block":
            time.sleep(seconds)
        case "block until released":
            while not is_open(ctx, "released"):
                time.sleep(0.005)
        case "gil":
            hold_gil(seconds)
        case "gil until released":
            ctypes.PyDLL(None).open(
                bytes(fifo), os.O_RDONLY
            )  # unlike CDLL it keeps the GIL, until a writer opens the other end
        case _:
            raise ValueError(how)


def hold_gil(seconds: float) -> None:
    """One call in C that lets no other thread run, nor Python look at signals."""
    probe = 2_000_000
    began = time.perf_counter()
    sum(range(probe))
    sum(range(int(seconds * probe / (time.perf_counter() - began))))


async def bad_loop(ctx: JobContext, how: str, seconds: float = 600.0, once: bool = False) -> None:
    await asyncio.sleep(0.2)  # what the worker has begun with the store for our start is over
    misbehave(ctx, how, seconds, once=once)


def bad_thread(ctx: JobContext, how: str, seconds: float = 600.0) -> None:
    time.sleep(0.2)
    misbehave(ctx, how, seconds)


def bad_process(ctx: JobContext, how: str, seconds: float = 600.0) -> None:
    misbehave(ctx, how, seconds)


def regex(ctx: JobContext, n: int = 40) -> bool:
    """A match that backtracks for longer than anybody waits, holding the GIL."""
    effect(ctx, "regex")
    return re.fullmatch(r"(a+)+b", "a" * n) is not None


def alone(ctx: JobContext, how: str) -> None:
    """Reports at its beginning which processes of earlier runs still live. Then `spin`: an effect after the other, without
    looking at any flag."""
    effect(ctx, "begin", others=[pid for pid in _earlier(ctx) if pid != os.getpid() and _lives(pid)])
    try:
        while how == "spin":
            effect(ctx, "tick")
            time.sleep(0.01)
        if how == "forks" and os.fork() == 0:
            time.sleep(600)
        if how == "regex":
            re.fullmatch(r"(a+)+b", "a" * 40)
        time.sleep(600)
    finally:
        effect(ctx, "end")


def _earlier(ctx: JobContext) -> set[int]:
    lines = (_folder() / "effects.jsonl").read_text().rpartition("\n")[0].splitlines()
    return {effect["pid"] for effect in map(json.loads, lines) if effect["job"] == ctx.id}


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def alone_loop(ctx: JobContext, how: str, barrier: str = "") -> None:
    """The same in the event loop, which it blocks once `barrier` is open."""
    while not is_open(ctx, barrier):
        await asyncio.sleep(0.02)
    alone(ctx, how)


async def deaf(ctx: JobContext, seconds: float = 600.0) -> None:
    """Reports all the time, and never looks at a flag."""
    effect(ctx, "deaf")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ctx.progress(end - time.monotonic())
        await asyncio.sleep(0.02)


async def reluctant(ctx: JobContext) -> int:
    """Stops for a pause, and is not done with stopping before the pause has been taken back."""
    effect(ctx, "run")
    try:
        await ctx.sleep(600 if ctx.fence_token == 1 else 0)
    except Interrupted:
        effect(ctx, "stopping")
        while ctx.pausing:
            await asyncio.sleep(0.005)
        raise
    return ctx.fence_token


# -- outcomes -------------------------------------------------------------------------------------------------------------


def outcome(ctx: JobContext, kind: str, delay: float = 0.0, message: str = "why") -> str:
    """End the first attempt in this way, any later one well."""
    effect(ctx, "run")
    if ctx.state.get("seen"):
        return "second"
    ctx.checkpoint({"seen": True})
    match kind:
        case "retry":
            raise Retry(message, delay=delay)
        case "snooze":
            raise Snooze(delay)
        case "fail":
            raise Fail(message)
        case "cancel":
            raise Cancel(message)
        case "error":
            raise ConnectionError(message)
        case _:
            return "first"


async def note_loop(ctx: JobContext, value: int = 0) -> int:
    effect(ctx, "run", value=value)
    return value


async def nap(ctx: JobContext, seconds: float) -> None:
    """Sleeps as a good citizen."""
    effect(ctx, "run")
    await ctx.sleep(seconds)


def make_app(**overrides: Any) -> Holdfast:
    """The jobs above, as an app of its own."""
    app = Holdfast(**overrides)
    functions = (
        items_loop,
        steps,
        end_loop,
        bad_loop,
        bad_thread,
        deaf,
        note_loop,
        nap,
        reluctant,
        alone_loop,
    )
    for function in functions:
        app.job(retries=1, backoff=0.05)(function)
    app.job(name="regex", executor="thread")(regex)
    for executor in ("thread", "process"):
        app.job(name=f"items_{executor}", executor=executor, backoff=0.05)(items_sync)
        app.job(name=f"end_{executor}", executor=executor, backoff=0.05)(end_sync)
        app.job(name=f"alone_{executor}", executor=executor)(alone)
        app.job(name=f"outcome_{executor}", executor=executor, retries=2, backoff=0.05)(outcome)
    app.job(executor="process", retries=1, backoff=0.05)(bad_process)
    app.job(name="report.month", queue="reports")(note_loop)
    return app


app = make_app()
