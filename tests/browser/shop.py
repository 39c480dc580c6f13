"""The jobs that browser tests look at: some that count, some that log, some with hostile names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from holdfast import Fail, Holdfast, JobContext

app = Holdfast()

HOSTILE = (
    "foo/bar.baz",
    "a b",
    "%2F",
    "'\"<>&",
    "\u05e9\u05dc\u05d5\u05dd.png",
    "😀 emoji",
    "x" * 190,
    "<img src=x onerror=alert(1)>",
)


@app.job()
async def count(ctx: JobContext, n: int = 100, delay: float = 0.05, label: str = "") -> int:
    """Count to n, each number held."""
    async for at in ctx.track(range(n), every=1):
        ctx.log.info("number %s", at)
        await ctx.sleep(delay)
    return n


@app.job()
async def talk(ctx: JobContext, lines: int = 50, delay: float = 0.01) -> None:
    """Write lines that look like markup, with named bars beside."""
    for at in range(lines):
        ctx.log.warning("<b>line %s</b> <script>alert(1)</script>", at)
        ctx.progress(at + 1, lines, "talking")
        ctx.progress(at + 1, None, name="unknown")
        await ctx.sleep(delay)


@app.job()
async def hold(ctx: JobContext, gate: str, then: float = 0.0) -> None:
    """Wait for a file, whatever is requested meanwhile; then sleep, which a pause may interrupt."""
    while not Path(gate).exists():
        await asyncio.sleep(0.02)
    await ctx.sleep(then)


@app.job(retries=0)
async def boom(message: str = "boom") -> None:
    """Always fails."""
    raise Fail(message)


@app.job(queue="forms")
async def form(
    path: str,
    mode: Literal["skip", "pause", "fail"] = "skip",
    batch: int = 200,
    dry_run: bool = False,
    columns: list[str] | None = None,
    note: str | None = None,
) -> str:
    """A job with one of each field.

    Its second paragraph is not shown on top.
    """
    return path


for hostile in HOSTILE:

    @app.job(name=hostile, queue=hostile)
    async def odd(text: str = "") -> str:
        """<b>Not bold</b>"""
        return text
