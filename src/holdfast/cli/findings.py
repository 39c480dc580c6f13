"""This exists so that every check of `holdfast doctor` says in one shape what it has found, and finds the same of a fleet
whoever was asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from holdfast.cli.output import Column
from holdfast.cli.words import duration
from holdfast.client.views import StatsView, View, WorkerView
from holdfast.version import VERSION

Result = Literal["good", "note", "bad"]

MOST_SKEW = 2.0
"""Seconds that two clocks may differ."""


class Finding(View):
    """What one check found. "note": works, but is worth knowing. `fix`: what to do."""

    name: str
    result: Result
    found: str
    fix: str = ""


FINDINGS = (Column("CHECK", "name"), Column("RESULT", "result"), Column("FOUND", "found", wide=True))

Check = Callable[[], Finding]


def of_workers(workers: list[WorkerView], now: datetime) -> Finding:
    """Whether someone is there to run jobs."""
    live = [worker for worker in workers if worker.state == "live"]
    lost = [worker for worker in workers if worker.state == "lost"]
    found = f"{len(live)} live" + (f", {len(lost)} lost in the last 24 hours" if lost else "")
    if not live:
        fix = "Jobs are kept until a worker runs: holdfast up --app module:app, or holdfast worker --app module:app"
        return Finding(name="workers", result="note", found=found, fix=fix)
    ahead = max((worker.heartbeat_at - now).total_seconds() for worker in live)
    if ahead > MOST_SKEW:
        fix = "The clocks differ; set both, for example by NTP."
        found = f"{found}; a heartbeat lies {duration(ahead)} in the future"
        return Finding(name="workers", result="bad", found=found, fix=fix)
    versions = sorted({worker.version for worker in live})
    if versions != [VERSION]:
        fix = f"This program is {VERSION}; restart the workers after an upgrade."
        return Finding(
            name="workers", result="note", found=f"{found}, of version {', '.join(versions)}", fix=fix
        )
    return Finding(name="workers", result="good", found=found)


def of_scheduler(stats: StatsView) -> Finding:
    """Whether someone does what happens by the clock."""
    if stats.scheduler is None:
        fix = "Every holdfast up, worker and scheduler does it; one of them must run."
        found = "nobody: due jobs do not start, jobs of lost workers are not given back"
        return Finding(name="scheduler", result="note", found=found, fix=fix)
    return Finding(name="scheduler", result="good", found=f"{stats.scheduler.rpartition(':')[0]} leads")
