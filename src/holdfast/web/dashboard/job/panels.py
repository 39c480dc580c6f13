"""The panels of one job, for its page and its live stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from holdfast.client.views import JobView, SavedView
from holdfast.web.dashboard.format import size, ticking
from holdfast.web.dashboard.job.strip import Strip, seconds_left, strip
from holdfast.web.dashboard.job.timeline import Entry, entries
from holdfast.web.dashboard.job.trace import Part, parts_of
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import JobPresenter, JsonText, json_text, present_job
from holdfast.web.dashboard.viewer_prefs import View


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

    job: JobPresenter
    strip: Strip
    left: str
    saved: SavedPanel | None
    trace: list[Part]
    timeline: list[Entry]


def panels(data: PageData, job: JobView, view: View) -> JobPanels:
    """The panels of a job, from everything that the client returns about it."""
    history = data.client.jobs.history(job.id)
    saved = data.client.jobs.saved_state(job.id) if job.has_saved_state else None
    line = present_job(job, worker_name=data.worker_name(job), why_waits=data.why_waits(job))
    left = seconds_left(job, history, datetime.now(UTC))
    return JobPanels(
        job=line,
        strip=strip(job, history, saved, view.zone),
        left=f"about {ticking(left)} left" if left is not None else "",
        saved=_saved(saved),
        trace=parts_of(job.error.traceback) if job.error else [],
        timeline=entries(job, history, saved, data.worker_names()),
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


def page_title(job: JobPresenter) -> str:
    """The title of the job page, the state first: Running: import_customers, 46 %."""
    share = (
        f", {job.bar.percent_text}" if job.bar is not None and job.bar.percent_text and not job.ended else ""
    )
    return f"{job.style.word}: {job.job.type}{share}"
