"""This exists so that one frame of the live view is made from one set of answers, the same for the screen and for --json."""

from __future__ import annotations

import shutil
import time
from typing import Any

from holdfast.cli.answers import QUEUES, WORKERS
from holdfast.cli.desk import Bell, Desk
from holdfast.cli.exits import Exit, Trouble
from holdfast.cli.keys import Keys
from holdfast.cli.output import Column, Writer, as_row, table_of
from holdfast.cli.waiting import Patience, lasting
from holdfast.cli.words import STYLES, bar, duration, exact, printable, progress_words, stamp
from holdfast.client.views import JobView, StatsView, View, WorkerView
from holdfast.core.errors import StorageUnavailable

FRAME = 0.25
"""Least time in seconds between two frames."""

QUIET = 2.0
"""Longest time between two frames when nothing is heard: rates and waits change by themselves."""

MOST_JOBS = 200

STATES = ("scheduled", "awaiting", "enqueued", "processing", "paused", "succeeded", "failed", "cancelled")


class TopView(View):
    """All that one frame shows."""

    stats: StatsView
    running: list[JobView]
    workers: list[WorkerView]


TOP = (
    *(Column(state, f"stats.states.{state}") for state in STATES),
    Column("per minute", "stats.throughput.per_minute"),
    Column("per second", "stats.throughput.per_second"),
    Column("oldest wait", "stats.oldest_wait"),
    Column("workers", "stats.workers"),
    Column("workers lost", "stats.workers_lost"),
    Column("slots", "stats.slots"),
)


def show(desk: Desk, writer: Writer, *, once: bool) -> int:
    """Show frames until the person leaves; one frame only with `once`, and where there is no terminal."""
    if once or not (writer.terminal and writer.plain):
        found = ask(desk, MOST_JOBS)
        if writer.terminal and writer.plain and not writer.common.fields:
            console = writer.console()
            console.print(frame(found, desk.place, utc=writer.common.utc, width=console.width))
        else:
            writer.one(found, TOP)
        return Exit.DONE
    from rich.live import Live

    patience = Patience()
    try:
        screen = Live(console=writer.console(), screen=True, auto_refresh=False)
        with desk.listen("") as bell, Keys() as keys, screen as live:
            while True:
                try:
                    size = shutil.get_terminal_size()
                    found = ask(desk, max(3, size.lines // 2))
                    shown = frame(found, desk.place, utc=writer.common.utc, width=size.columns)
                    live.update(shown, refresh=True)
                    patience.answered()
                except (Trouble, StorageUnavailable) as error:
                    if not lasting(error):
                        raise
                    patience.failed(error)
                if _left(keys, bell):
                    return Exit.DONE
    except KeyboardInterrupt:
        return Exit.DONE  # Ctrl-C is how one leaves a view; nothing was under way


def ask(desk: Desk, jobs: int) -> TopView:
    """Everything for one frame."""
    running = desk.search("state:processing", sort="-created", limit=min(jobs, MOST_JOBS), cursor=None).items
    return TopView(stats=desk.stats(), running=running, workers=desk.workers())


def frame(top: TopView, place: str, *, utc: bool, width: int) -> Any:
    """One frame, for a terminal."""
    from rich.console import Group
    from rich.text import Text

    stats, rate = top.stats, top.stats.throughput
    head = Text.assemble(("Holdfast ", "bold"), f"{place}  {stamp(stats.at, utc=utc)}")
    counts = Text()
    for state in STATES:
        counts.append(f"{exact(stats.states.get(state, 0))} ", "bold")
        counts.append(f"{state}   ", STYLES.get(state, ""))
    pace = Text(
        f"{exact(round(rate.per_minute))} a minute, {rate.per_second:.1f} a second"
        f"   {exact(rate.failed)} failed in the last minute"
        f"   oldest wait {duration(stats.oldest_wait or 0)}"
        f"   {stats.workers} workers, {stats.slots} slots"
        + (f", {stats.workers_lost} lost" if stats.workers_lost else "")
    )
    parts: list[Any] = [head, counts, pace]
    queues = [as_row(queue) for queue in stats.queues.values()]
    if queues:
        parts += ["", table_of(queues, QUEUES, utc=utc, width=width)]
    if top.running:
        parts += ["", running_table(top.running)]
    if top.workers:
        parts += ["", table_of([as_row(worker) for worker in top.workers], WORKERS, utc=utc, width=width)]
    return Group(*parts)


def running_table(jobs: list[JobView]) -> Any:
    """Running jobs with their bars; the upright mark is the place that a crash cannot take away."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("RUNNING", "TYPE", "PROGRESS", "", "ASKED"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for job in jobs:
        progress = as_row(job.progress) if job.progress else None
        table.add_row(
            job.id,
            Text(printable(job.type)),
            Text(bar(progress["done"], progress["total"], progress["held"]) if progress else ""),
            Text(progress_words(progress) if progress else ""),
            Text(job.requested or "", STYLES["paused"]),
        )
    return table


def _left(keys: Keys, bell: Bell) -> bool:
    """Wait for the next frame; True when the person leaves."""
    begun = time.monotonic()
    while time.monotonic() - begun < QUIET:
        if "q" in keys.pressed():
            return True
        if bell.wait(FRAME):
            break
    time.sleep(max(0.0, FRAME - (time.monotonic() - begun)))
    return False
