"""The live view of the whole system; --json outputs the data of one frame."""

from __future__ import annotations

import shutil
import time
from datetime import datetime
from typing import Any

from holdfast.cli.backend.protocol import Backend, ChangeSignal
from holdfast.cli.commands.job_wait import OutageTimer, is_unreachable
from holdfast.cli.commands.keys import Keys
from holdfast.cli.exit_codes import CliError, ExitCode
from holdfast.cli.format.columns import QUEUES, WORKERS
from holdfast.cli.format.job_text import STYLES, bar, duration, exact, printable, progress_text, stamp
from holdfast.cli.format.output import Writer, as_row
from holdfast.cli.format.table import Column, end_cut, table_of
from holdfast.client.views import JobView, StatsView, View, WorkerView
from holdfast.core.errors import StorageUnavailable

FRAME = 0.25
"""Minimum seconds between two frames."""

QUIET = 2.0
"""Maximum seconds between two frames without a change; rates and waiting times change by themselves."""

MAX_JOBS = 200
MAX_CONCERNS = 4

RUNNING = (
    Column("STATE", "state"),
    Column("TYPE", "type", wide=True),
    Column("PROGRESS", "bar", rank=1),
    Column("", "figures", rank=3),
    Column("RUNS FOR", "duration", rank=2),
    Column("ID", "id", rank=4),
)

STATES = ("scheduled", "awaiting", "enqueued", "processing", "paused", "succeeded", "failed", "cancelled")


class TopView(View):
    """The data of one frame."""

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


def show(backend: Backend, writer: Writer, *, once: bool) -> int:
    """Show frames until the user quits; a single frame with `once` or when output is not a terminal."""
    if once or not (writer.terminal and writer.plain):
        found = fetch(backend, MAX_JOBS)
        if writer.terminal and writer.plain and not writer.common.fields:
            console = writer.console()
            console.print(frame(found, backend.place, utc=writer.common.utc, width=console.width))
        else:
            writer.one(found, TOP)
        return ExitCode.DONE
    from rich.live import Live

    outage = OutageTimer()
    try:
        screen = Live(console=writer.console(), screen=True, auto_refresh=False)
        with backend.listen("") as changes, Keys() as keys, screen as live:
            while True:
                try:
                    size = shutil.get_terminal_size()
                    found = fetch(backend, max(3, size.lines // 2))
                    shown = frame(found, backend.place, utc=writer.common.utc, width=size.columns)
                    live.update(shown, refresh=True)
                    outage.succeeded()
                except (CliError, StorageUnavailable) as error:
                    if not is_unreachable(error):
                        raise
                    outage.failed(error)
                if _wait_or_quit(keys, changes):
                    return ExitCode.DONE
    except KeyboardInterrupt:
        return ExitCode.DONE  # Ctrl-C quits the view as q does


def fetch(backend: Backend, jobs: int) -> TopView:
    """Fetch the data of one frame."""
    running = backend.search(
        "state:processing", sort="-created", limit=min(jobs, MAX_JOBS), cursor=None
    ).items
    return TopView(stats=backend.stats(), running=running, workers=backend.workers())


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
    parts: list[Any] = [head, counts, pace, *_attention(stats, utc=utc, width=width)]
    queues = [as_row(queue) for queue in stats.queues.values()]
    if queues:
        parts += ["", table_of(queues, QUEUES, utc=utc, width=width)]
    if top.running:
        parts += ["", running_table(top.running, stats.at, utc=utc, width=width)]
    if top.workers:
        parts += ["", table_of([as_row(worker) for worker in top.workers], WORKERS, utc=utc, width=width)]
    return Group(*parts)


def _attention(stats: StatsView, *, utc: bool, width: int) -> list[Any]:
    """A line for each concern, or one that says there is none."""
    from rich.text import Text

    if not stats.concerns:
        return [Text("All quiet", "green")]
    lines = [
        f"! {concern.text}" + (f" Since {stamp(concern.since, utc=utc)}." if concern.since else "")
        for concern in stats.concerns[:MAX_CONCERNS]
    ]
    if more := len(stats.concerns) - MAX_CONCERNS:
        lines += [f"! {more} more: holdfast doctor"] if more > 0 else []
    return [Text(end_cut(printable(line), width), "bold yellow", no_wrap=True) for line in lines]


def running_table(jobs: list[JobView], now: datetime, *, utc: bool, width: int) -> Any:
    """Running jobs with progress bars; the upright mark is the last durable checkpoint."""
    return table_of([_running(job, now) for job in jobs], RUNNING, utc=utc, width=width)


def _running(job: JobView, now: datetime) -> dict[str, Any]:
    row = as_row(job)
    progress = row["progress"]
    if progress is not None:
        row["bar"] = bar(progress["done"], progress["total"], progress["held"])
        row["figures"] = progress_text(progress)
    if job.started_at is not None:
        row["duration"] = max(0.0, (now - job.started_at).total_seconds())
    return row


def _wait_or_quit(keys: Keys, changes: ChangeSignal) -> bool:
    """Wait for the next frame; True when the user quits."""
    begun = time.monotonic()
    while time.monotonic() - begun < QUIET:
        if "q" in keys.pressed():
            return True
        if changes.wait(FRAME):
            break
    time.sleep(max(0.0, FRAME - (time.monotonic() - begun)))
    return False
