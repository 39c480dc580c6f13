"""A job as the templates of pages and fragments show it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from holdfast.client import views
from holdfast.client.views import JobView
from holdfast.core.commands import ALLOWED, Action
from holdfast.core.query import link_term
from holdfast.core.sizes import middle
from holdfast.core.states import FINAL_STATES, Request, State
from holdfast.web.dashboard.format import duration, exact, size
from holdfast.web.dashboard.markup import excerpt_html, json_html, unreadable_html
from holdfast.web.dashboard.state_styles import StateStyle, style_of


@dataclass(frozen=True, slots=True)
class ProgressBar:
    """A progress bar. `held_percent`: the position of the held mark, None = nothing is held."""

    done: float
    total: float | None
    held: float | None
    message: str | None = None
    name: str | None = None

    @property
    def max(self) -> float:
        return self.total if self.total and self.total > 0 else 1

    @property
    def value(self) -> float:
        return min(max(self.done, 0), self.max)

    @property
    def share(self) -> float:
        return self.value / self.max if self.total else 0.0

    @property
    def percent_text(self) -> str:
        return "" if self.total is None else f"{int(100 * self.share)} %"

    @property
    def held_percent(self) -> float | None:
        if self.held is None or not self.total:
            return None
        return round(100 * min(max(self.held, 0) / self.max, 1), 2)

    @property
    def held_label(self) -> str:
        """The label of the held mark."""
        return "" if self.held is None else f"held at {self.held_text}"

    @property
    def held_thin(self) -> bool:
        """Whether the mark is so near the beginning that it would hide the little that is done."""
        return self.held_percent is not None and self.held_percent < 3

    @property
    def done_text(self) -> str:
        return amount(self.done)

    @property
    def total_text(self) -> str:
        return amount(self.total if self.total is not None else self.done)

    @property
    def held_text(self) -> str:
        return amount(self.held or 0)

    @property
    def pin_text(self) -> str:
        """The text beside a named bar: 41,412 / 90,000 · 46 %."""
        if self.total is None:
            return f"{self.done_text} done, total unknown"
        return f"{self.done_text} / {self.total_text} · {self.percent_text}"


def amount(value: float) -> str:
    """An amount of work: whole numbers in full, others with two decimals."""
    return exact(value) if float(value).is_integer() else f"{value:,.2f}"


def args_text(args: Any, limit: int = 120) -> str:
    """Arguments in one line, as in a call: path="a.csv", dry_run=true."""
    if not isinstance(args, dict):
        return middle(json.dumps(args, ensure_ascii=False), limit) if args else ""
    parts: list[str] = []
    for key, value in args.items():  # pyright: ignore[reportUnknownVariableType]
        parts.append(f"{key}={middle(json.dumps(value, ensure_ascii=False, default=str), 200)}")
        if sum(map(len, parts)) > 2 * limit:
            break
    return middle(", ".join(parts), limit)


def allowed_actions(job: JobView) -> tuple[Action, ...]:
    """The actions that the job allows now."""

    def is_allowed(action: Action) -> bool:
        if action is Action.RESUME and job.state == State.PROCESSING:
            return job.requested == Request.PAUSE
        if job.state not in ALLOWED[action]:
            return False
        if action is Action.PAUSE:
            return job.requested is None
        return action is not Action.CANCEL or job.requested != Request.CANCEL

    return tuple(action for action in Action if is_allowed(action))


@dataclass(frozen=True, slots=True)
class JobPresenter:
    """A job with what its macros need beside the fields of its view. Other attributes are those of the view."""

    job: JobView
    style: StateStyle
    bar: ProgressBar | None
    bars: tuple[ProgressBar, ...]
    allowed: tuple[Action, ...]
    short_args: str
    worker_name: str = ""
    why_waits: str = ""
    status_text: str = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.job, name)

    @property
    def label(self) -> str:
        """What identifies this job in a sentence: its type with its arguments, else with its id."""
        return f"{self.job.type} {self.short_args or self.job.id[-12:]}"

    @property
    def waits_since(self) -> datetime:
        """Since when it could have run."""
        return max(self.job.created_at, self.job.run_at or self.job.created_at)

    @property
    def parents(self) -> int:
        return len(self.job.parent_ids)

    @property
    def queue_search(self) -> str:
        """The search that finds the jobs of its queue."""
        return link_term("queue", self.job.queue)

    @property
    def result_text(self) -> JsonText:
        return json_text(self.job, "result", self.job.result)

    @property
    def tried(self) -> str:
        """Which attempt of how many, where it is not the first."""
        return f"{self.job.attempt}/{self.job.max_attempts}" if self.job.attempt > 1 else ""

    @property
    def long_args(self) -> str:
        """The arguments in one line, cut for a tooltip."""
        return args_text(self.job.args, 400)

    @property
    def why(self) -> tuple[str, str] | None:
        """Class and message of the error of a failed or retrying job."""
        if self.job.error is None or self.style.key not in ("failed", "retrying"):
            return None
        return self.job.error.type, middle(" ".join(self.job.error.message.split()), 300)

    @property
    def unreadable_text(self) -> str:
        """Which of its columns cannot be read, and why; "" for none."""
        return unreadable_text(self.job)

    @property
    def ended(self) -> bool:
        return self.job.state in FINAL_STATES


def unreadable_text(view: views.StoredView) -> str:
    """Which columns of a stored row cannot be read, and why; "" for none."""
    return "; ".join(f"{column} unreadable: {why}" for column, why in view.unreadable.items())


FOLD_AT = 20_000
"""Bytes of JSON above which a page shows its beginning only, with its size and a download."""


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON value as it is shown. `folded`: only its beginning. `size`: of the whole, "" for a small one."""

    html: Markup
    size: str = ""
    folded: bool = False


def json_text(view: views.StoredView, column: str, value: Any) -> JsonText:
    """A JSON column of a stored row, or why it cannot be read."""
    why = view.unreadable.get(column)
    if why is not None:
        return JsonText(unreadable_html(why))
    octets = len(json.dumps(value, ensure_ascii=False, default=str).encode(errors="replace"))
    if octets <= FOLD_AT:
        return JsonText(json_html(value), size(octets) if octets > FOLD_AT // 10 else "")
    return JsonText(excerpt_html(json_file(value)), size(octets), folded=True)


def json_file(value: Any) -> str:
    """A JSON value as a file that people read."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _bar(bar: views.Bar | views.Progress) -> ProgressBar:
    return ProgressBar(
        bar.done, bar.total, bar.held, bar.message, bar.name if isinstance(bar, views.Bar) else None
    )


def present_job(job: JobView, *, worker_name: str = "", why_waits: str = "") -> JobPresenter:
    """A job ready for the templates."""
    main = _bar(job.progress) if job.progress is not None else None
    bars = tuple(_bar(bar) for bar in job.progress.bars) if job.progress is not None else ()
    style = style_of(job)
    name = worker_name or (job.worker or "")[-12:]
    return JobPresenter(
        job,
        style,
        main,
        bars,
        allowed_actions(job),
        args_text(job.args),
        name,
        why_waits,
        status_text(job, style),
    )


def present_jobs(jobs: Iterable[JobView]) -> list[JobPresenter]:
    """A list of jobs ready for the templates."""
    return [present_job(job) for job in jobs]


def status_text(view: JobView, style: StateStyle) -> str:
    """The text beside the state of a job: what it waits for, why, who caused it."""
    match style.key:
        case "pausing":
            return "stops at the next checkpoint"
        case "cancelling":
            return "stops at the next checkpoint, by force after the grace time"
        case "paused":
            place = (
                f"at {amount(view.progress.held)}, "
                if view.progress and view.progress.held is not None
                else ""
            )
            return f"{place}by {view.actor or 'a person'}{_why(view)}; continues when someone resumes it"
        case "retrying":
            return f"attempt {view.attempt} of {view.max_attempts} failed; it is retried automatically"
        case "scheduled":
            return "waits for its time"
        case "awaiting":
            return "waits for its parents"
        case "enqueued":
            return f"in queue {middle(view.queue, 60)}{_why(view)}"
        case "failed":
            return _why(view).removeprefix(": ") or "kept until retried or deleted"
        case "cancelled":
            return f"by {view.actor or 'a rule'}{_why(view)}"
        case "succeeded":
            if view.started_at and view.finished_at:
                return f"in {duration((view.finished_at - view.started_at).total_seconds())}"
            return ""
        case _:
            return f"attempt {view.attempt} of {view.max_attempts}"


def _why(view: JobView) -> str:
    return f": {view.reason}" if view.reason else ""
