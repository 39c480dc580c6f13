"""The jobs of our own contestants; the workers are started as ``holdfast worker --app
benchmarks.app:app``."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import latency
from benchmarks.child import DIRECTORY
from holdfast import Holdfast, JobContext

app = Holdfast()


@app.job()
async def noop(n: int) -> None:
    """Nothing: what is measured is everything around it."""


@app.job()
async def stamp(sent: int) -> None:
    """Write when it was sent and when its first line ran."""
    latency.stamp(Path(os.environ[DIRECTORY]), sent)


@app.job()
async def hold(ctx: JobContext, seconds: int, place: str) -> None:
    """Write when its first line ran, then stay."""
    latency.stamp(Path(place), 0)
    await ctx.sleep(seconds)


@app.job(retries=0)
async def refuse(n: int) -> None:
    """Fail at once, for lists with failed jobs in them."""
    raise ValueError(f"refused {n}")


@app.job()
async def stand(ctx: JobContext, seconds: int) -> None:
    """Reach a point where it can be paused every millisecond, so that a pause waits for the system and not
    for the job."""
    for _ in ctx.track(range(seconds * 1000), total=seconds * 1000):
        await ctx.sleep(0.001)
