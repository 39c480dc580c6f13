"""The findings of `holdfast doctor`, and the checks of workers, scheduler and concerns that any backend shares."""

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
"""Seconds by which two clocks may differ."""


class Finding(View):
    """The result of one check. "note": works, but deserves attention. `fix`: what to do."""

    name: str
    result: Result
    found: str
    fix: str = ""


FINDINGS = (
    Column("CHECK", "name"),
    Column("RESULT", "result"),
    Column("FOUND", "found", wide=True, prose=True),
)

Check = Callable[[], Finding | list[Finding]]


def of_concerns(stats: StatsView) -> list[Finding]:
    """The concerns of the dashboard, except those of workers and scheduler, which have their own checks."""
    others = [one for one in stats.concerns if one.kind not in (Kind.NO_WORKER, Kind.NO_SCHEDULER)]
    if not others:
        return [Finding(name="concerns", result="good", found="none")]
    return [
        Finding(name=one.kind.replace("_", " "), result="note", found=one.text, fix=one.action)
        for one in others
    ]


def _concern_of(stats: StatsView, kind: Kind) -> ConcernView | None:
    return next((concern for concern in stats.concerns if concern.kind == kind), None)


def of_workers(workers: list[WorkerView], stats: StatsView) -> Finding:
    """Whether workers are running, with clocks and versions that agree."""
    concern = _concern_of(stats, Kind.NO_WORKER)
    if concern is not None:
        return Finding(name="workers", result="note", found=concern.text, fix=concern.action)
    live = [worker for worker in workers if worker.state == "live"]
    lost = [worker for worker in workers if worker.state == "lost"]
    found = f"{len(live)} live" + (f", {len(lost)} lost in the last 24 hours" if lost else "")
    ahead = max((worker.heartbeat_at - stats.at).total_seconds() for worker in live)
    if ahead > MAX_SKEW:
        fix = "Synchronize the clocks, for example by NTP."
        found = f"{found}; a heartbeat is {duration(ahead)} in the future"
        return Finding(name="workers", result="bad", found=found, fix=fix)
    versions = sorted({worker.version for worker in live})
    if versions != [VERSION]:
        fix = f"Restart the workers after an upgrade; this program is {VERSION}."
        return Finding(
            name="workers", result="note", found=f"{found}, version {', '.join(versions)}", fix=fix
        )
    return Finding(name="workers", result="good", found=found)


def of_scheduler(stats: StatsView) -> Finding:
    """Whether a scheduler is running."""
    concern = _concern_of(stats, Kind.NO_SCHEDULER)
    if concern is not None:
        return Finding(name="scheduler", result="note", found=concern.text, fix=concern.action)
    if stats.scheduler is None:
        return Finding(name="scheduler", result="good", found="changing leader")
    return Finding(
        name="scheduler", result="good", found=f"{stats.scheduler.rpartition(':')[0]} is the leader"
    )
