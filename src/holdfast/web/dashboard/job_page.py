"""The panels of one job, for its page and its live stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from holdfast.client.views import JobView, SavedView
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.format import size, ticking
from holdfast.web.dashboard.present import JsonText, Shown, json_text, shown
from holdfast.web.dashboard.timeline import Entry, Strip, entries, seconds_left, strip
from holdfast.web.dashboard.trace import Part, parts_of
from holdfast.web.dashboard.view import View


@dataclass(frozen=True, slots=True)
class SavedPanel:
    """The saved state as it is shown."""

    at: datetime
    size: str
    count: int
    text: JsonText


@dataclass(frozen=True, slots=True)
class JobPanels:
    """The panels that change while a job lives."""

    job: Shown
    strip: Strip
    left: str
    saved: SavedPanel | None
    trace: list[Part]
    timeline: list[Entry]


def panels(desk: Desk, job: JobView, view: View) -> JobPanels:
    """Everything about a job that is asked of the client, worked out."""
    history = desk.client.jobs.history(job.id)
    saved = desk.client.jobs.saved_state(job.id) if job.has_saved_state else None
    line = shown(job, worker_name=desk.worker_name(job), why_waits=desk.why_waits(job))
    left = seconds_left(job, history, datetime.now(UTC))
    return JobPanels(
        job=line,
        strip=strip(job, history, saved, view.zone),
        left=f"about {ticking(left)} left" if left is not None else "",
        saved=_saved(saved),
        trace=parts_of(job.error.traceback) if job.error else [],
        timeline=entries(job, history, saved, desk.worker_names()),
    )


def _saved(saved: SavedView | None) -> SavedPanel | None:
    if saved is None:
        return None
    shown_value: dict[str, Any] = {}
    if saved.state is not None:
        shown_value["state"] = saved.state
    if saved.positions:
        shown_value["positions"] = saved.positions
    if saved.steps:
        shown_value["steps"] = saved.steps
    only_state = list(shown_value) == ["state"]
    text = json_text(saved, "saved", saved.state if only_state else shown_value)
    return SavedPanel(saved.at, size(saved.bytes), saved.count, text)


def page_title(job: Shown) -> str:
    """State first, so that a tab tells it: Running: import_customers, 46 %."""
    share = (
        f", {job.bar.percent_text}" if job.bar is not None and job.bar.percent_text and not job.ended else ""
    )
    return f"{job.look.word}: {job.job.type}{share}"
