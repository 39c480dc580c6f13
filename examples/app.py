"""The sample jobs. Read this first: a job is a function, its signature is the form on the web page and the schema of the
API."""

from __future__ import annotations

import time

from holdfast import Fail, Holdfast, JobContext

app = Holdfast()


@app.job()
async def count_to(ctx: JobContext, n: int = 100, delay: float = 0.1) -> int:
    """Count to n, one number every `delay` seconds. Each number is held: pause it or kill its worker, it continues at
    the next one."""
    async for _ in ctx.track(range(n), every=1):
        await ctx.sleep(delay)
    return n


@app.job(queue="imports")
async def import_customers(ctx: JobContext, path: str = "customers.csv", rows: int = 200) -> int:
    """Write a line to the console for each row: shows a live console. A crash repeats the rows since the last checkpoint."""
    async for row in ctx.track(range(1, rows + 1), total=rows):
        await ctx.sleep(0.2)
        if row % 25 == 0:
            ctx.log.warning("%s: row %s has no e-mail address, skipped", path, row)
        else:
            ctx.log.info("%s: row %s imported", path, row)
    return rows


@app.job(queue="media")
async def convert_video(ctx: JobContext, name: str = "holiday.mov", seconds: float = 30.0) -> str:
    """Download, convert and upload side by side: shows several bars."""
    parts = {"download": 1.0, "convert": 0.7, "upload": 0.5}
    for percent in range(1, 201):
        for part, pace in parts.items():
            ctx.progress(min(100, int(percent * pace)), 100, name=part)
        ctx.progress(percent, 200, f"{name}: {percent // 2} % of all")
        await ctx.sleep(seconds / 200)
    return f"{name}.mp4"


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
    """Keep a core busy for so many seconds in a child process, where it disturbs no other job and can be killed."""
    rounds, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        rounds += sum(range(1_000)) > 0
    return rounds


@app.job()
async def noop() -> None:
    """Nothing, as fast as possible."""
