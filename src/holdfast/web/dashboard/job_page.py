"""This exists so that the page of one job and its live stream show the same panels: all that is worked out for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from holdfast.client.views import JobView, LogPage, LogView, SavedView
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.format import size, ticking
from holdfast.web.dashboard.present import Shown, column_html, shown, unreadable_text
from holdfast.web.dashboard.timeline import Entry, Strip, entries, seconds_left, strip
from holdfast.web.dashboard.trace import Part, parts_of
from holdfast.web.dashboard.view import View

LAST_LINES = 200
PAGE_LINES = 500

_LEVELS = {"warning": "warn", "critical": "error", "fatal": "error"}


@dataclass(frozen=True, slots=True)
class SavedPanel:
    """The saved state as it is shown."""

    at: datetime
    size: str
    count: int
    html: Markup


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
    history = desk.client.history(job.id)
    saved = desk.client.saved_state(job.id) if job.has_saved_state else None
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
    html = column_html(saved, "saved", saved.state if only_state else shown_value)
    return SavedPanel(saved.at, size(saved.bytes), saved.count, html)


def page_title(job: Shown) -> str:
    """State first, so that a tab tells it: Running: import_customers, 46 %."""
    share = (
        f", {job.bar.percent_text}" if job.bar is not None and job.bar.percent_text and not job.ended else ""
    )
    return f"{job.look.word}: {job.job.type}{share}"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One console line ready to be shown. `kind` colours it: warn, error or nothing."""

    n: int
    short: str
    at: datetime
    level: str
    kind: str
    message: str
    fields: str


def log_entry(line: LogView) -> LogEntry:
    """A console line ready for its macro."""
    level = _LEVELS.get(line.level.lower(), line.level.lower())
    fields = " ".join(
        f"{key}={_short(value)}" for key, value in (line.fields or {}).items()
    ) or unreadable_text(line)
    return LogEntry(
        line.n, "#", line.at, level, level if level in ("warn", "error") else "", line.message, fields
    )


def _short(value: Any) -> str:
    if isinstance(value, str) and value and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class Console:
    """The lines that the page shows. `last`, `first`: their numbers, 0 = none. `older`, `newer`: links, "" = none."""

    lines: list[LogEntry]
    last: int
    first: int
    total: int
    older: str = ""
    newer: str = ""


def console(desk: Desk, job: JobView, view: View, after: int | None) -> Console:
    """The newest lines, or (`after` given) a page of the lines that follow it."""
    start = -LAST_LINES if after is None else max(0, after)
    page: LogPage = desk.client.logs(job.id, after=start, limit=LAST_LINES if after is None else PAGE_LINES)
    lines = [log_entry(line) for line in page.items]
    first = page.items[0].n if page.items else 0
    full = len(lines) == (LAST_LINES if after is None else PAGE_LINES)
    older = view.url("jobs", job.id, after=0) + "#console" if after is None and full else ""
    newer = ""
    if after is not None:
        newer = (
            view.url("jobs", job.id, after=page.next_after) if full else view.url("jobs", job.id)
        ) + "#console"
    return Console(lines, page.next_after, first, len(lines), older, newer)
