"""This exists so that every check of `holdfast doctor` says in one shape what it has found, and finds the same of a fleet
whoever was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from holdfast.cli.format.job_text import duration
from holdfast.cli.format.table import Column
from holdfast.client.views import ConcernView, StatsView, View, WorkerView
from holdfast.core.concerns import Kind
from holdfast.version import VERSION

Result = Literal["good", "note", "bad"]

MAX_SKEW = 2.0
"""Seconds that two clocks may differ."""


class Finding(View):
    """What one check found. "note": works, but is worth knowing. `fix`: what to do."""

    name: str
    result: Result
    found: str
    fix: str = ""


FINDINGS = (
    Column("CHECK", "name"),
    Column("RESULT", "result"),
    Column("FOUND", "found", wide=True, words=True),
)

Check = Callable[[], Finding | list[Finding]]


def of_concerns(stats: StatsView) -> list[Finding]:
    """What needs a person, as every page says it; workers and scheduler have checks of their own."""
    others = [one for one in stats.concerns if one.kind not in (Kind.NO_WORKER, Kind.NO_SCHEDULER)]
    if not others:
        return [Finding(name="concerns", result="good", found="none")]
    return [
        Finding(name=one.kind.replace("_", " "), result="note", found=one.text, fix=one.action)
        for one in others
    ]


def _said(stats: StatsView, kind: Kind) -> ConcernView | None:
    return next((concern for concern in stats.concerns if concern.kind == kind), None)


def of_workers(workers: list[WorkerView], stats: StatsView) -> Finding:
    """Whether someone is there to run jobs."""
    concern = _said(stats, Kind.NO_WORKER)
    if concern is not None:
        return Finding(name="workers", result="note", found=concern.text, fix=concern.action)
    live = [worker for worker in workers if worker.state == "live"]
    lost = [worker for worker in workers if worker.state == "lost"]
    found = f"{len(live)} live" + (f", {len(lost)} lost in the last 24 hours" if lost else "")
    ahead = max((worker.heartbeat_at - stats.at).total_seconds() for worker in live)
    if ahead > MAX_SKEW:
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
    concern = _said(stats, Kind.NO_SCHEDULER)
    if concern is not None:
        return Finding(name="scheduler", result="note", found=concern.text, fix=concern.action)
    if stats.scheduler is None:
        return Finding(name="scheduler", result="good", found="one has just left, the next one follows")
    return Finding(name="scheduler", result="good", found=f"{stats.scheduler.rpartition(':')[0]} leads")
