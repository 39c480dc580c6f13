"""The sample jobs. Read this first: a job is a function, its signature is the form on the web page and the schema of the
API."""

from __future__ import annotations

import time

from holdfast import Fail, Holdfast, JobContext

app = Holdfast()


@app.job()
async def count_to(ctx: JobContext, n: int = 100, delay: float = 0.1) -> int:
    """Count to n, one number every `delay` seconds. Each number is held: pause it, kill its worker, it goes on at the
    next one."""
    async for _ in ctx.track(range(n), every=1):
        await ctx.sleep(delay)
    return n


@app.job(backoff=1.0)
async def flaky(ctx: JobContext, fail_times: int = 2) -> str:
    """Fail so many times, then succeed: shows retries."""
    if ctx.attempt <= fail_times:
        raise ConnectionError(f"the far side hung up (attempt {ctx.attempt} of {fail_times} that fail)")
    ctx.log.info("attempt %s went well", ctx.attempt)
    return f"succeeded at attempt {ctx.attempt}"


@app.job(retries=0)
async def boom(message: str = "boom") -> None:
    """Always fails, and is not tried again."""
    raise Fail(message)


@app.job(executor="process")
def cpu(seconds: float = 1.0) -> int:
    """Burn a core for so many seconds in a child process, where it disturbs nobody and can be killed."""
    rounds, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        rounds += sum(range(1_000)) > 0
    return rounds


@app.job()
async def noop() -> None:
    """Nothing, as fast as possible."""
