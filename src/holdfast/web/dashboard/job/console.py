"""The console of a job: numbered lines, PAGE_LINES at a time, without control sequences of terminals."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from holdfast.client.views import JobView, LogView
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import unreadable_text
from holdfast.web.dashboard.viewer_prefs import View

PAGE_LINES = 200
_LEVELS = {"warning": "warn", "critical": "error", "fatal": "error"}

_FOR_TERMINALS = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles and links, up to the bell
    r"|\x1b[P^_X].*?(?:\x1b\\|$)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, movements
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]",
    re.DOTALL,
)


def plain(text: str) -> str:
    """A text without escape sequences and control characters. Of an overwritten line only the last text."""
    text = _FOR_TERMINALS.sub("", text)
    if "\r" not in text:
        return text
    return "\n".join(_last_written(line) for line in text.replace("\r\n", "\n").split("\n"))


def _last_written(line: str) -> str:
    return next((part for part in reversed(line.split("\r")) if part), "")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One console line as it is shown. `number`: its place among all lines of the job, 0 = the page continues counting.
    `css`: its class, for its colour: warn, error or nothing."""

    n: int
    number: int
    at: datetime
    level: str
    css: str
    message: str
    fields: str


def log_entry(line: LogView, number: int = 0) -> LogEntry:
    """A console line for its macro."""
    level = _LEVELS.get(line.level.lower(), line.level.lower())
    fields = " ".join(
        f"{key}={_short(value)}" for key, value in (line.fields or {}).items()
    ) or unreadable_text(line)
    css = level if level in ("warn", "error") else ""
    return LogEntry(line.n, number, line.at, level, css, plain(line.message), plain(fields))


def _short(value: Any) -> str:
    if isinstance(value, str) and value and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class Console:
    """The lines that the page shows, of `total`. `last`, `first`: keys of its ends. `older`, `newer`: links, "" = none."""

    lines: list[LogEntry]
    last: int
    first: int
    total: int
    older: str = ""
    newer: str = ""


def console(
    data: PageData, job: JobView, view: View, *, after: int | None = None, before: int | None = None
) -> Console:
    """The newest lines; or the last before the line `before`, or the first after the line `after`."""
    start = -PAGE_LINES if after is None or before is not None else max(0, after)
    page = data.client.jobs.logs(job.id, after=start, limit=PAGE_LINES, before=before)
    if not page.items:
        total = data.client.jobs.log_count(job.id)
        newest = view.url("jobs", job.id) + "#console"
        return Console([], page.next_after, 0, total, newer=newest if total else "")
    first, last = page.items[0].n, page.items[-1].n
    passed = data.client.jobs.log_count(job.id, before=first)
    newest_page = after is None and before is None
    # counted with the lines of this page: others may be written meanwhile
    total = passed + len(page.items) if newest_page else data.client.jobs.log_count(job.id)
    lines = [log_entry(line, number) for number, line in enumerate(page.items, passed + 1)]
    older = f"{view.url('jobs', job.id, before=first)}#console" if passed else ""
    rest = total - passed - len(lines)
    further = {"after": last} if rest > PAGE_LINES else {}
    newer = f"{view.url('jobs', job.id, **further)}#console" if rest > 0 else ""
    return Console(lines, last, first, total, older, newer)
