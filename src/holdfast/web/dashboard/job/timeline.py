"""The timeline of a job: its history, checkpoints, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.client.views import HistoryView, JobView, SavedView
from holdfast.core.states import DIED, LEASE_EXPIRED, State
from holdfast.web.dashboard.format import duration, pluralize, size, ticking
from holdfast.web.dashboard.job.strip import (
    unrecorded_runs,
)
from holdfast.web.dashboard.presenters import amount
from holdfast.web.dashboard.state_styles import style_of_state

MAX_ROWS = 50
"""Entries of a long timeline that are drawn, again with each change. REST returns all of them."""

_STATES = frozenset(State)

RECORDED = {
    "rescued": f"its {DIED}",
    LEASE_EXPIRED: "its worker stopped responding",
    "worker stopped": "its worker was stopped",
    "resumed": "the pause was withdrawn meanwhile",
    "timed out": "it ran longer than its time limit",
    "quarantined": "its process died each time, so it is not started again",
    "arguments refused": "its arguments were refused",
    "result refused": "its result was refused",
    "the store did not answer": "the store did not answer",
}
"""Texts for the reasons that Holdfast records. Any other reason was given by a person or by the job itself, and is
quoted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. `dot`: a checkpoint. `ahead`: what will come."""

    title: str
    key: str = ""
    icon: str = ""
    text: str = ""
    at: datetime | None = None
    dot: bool = False
    ahead: bool = False


def entries(
    job: JobView, history: Sequence[HistoryView], saved: SavedView | None, names: Mapping[str, str]
) -> list[Entry]:
    """The timeline, newest first, with what will come on top. `names`: of worker processes, by id."""
    made: list[Entry] = []
    before: HistoryView | None = None
    ran = False
    unrecorded = unrecorded_runs(job, history)
    for one in history:
        made.append(_request(one) if one.kind == "request" else _change(one, before, names, ran))
        if one.kind != "request":
            before = one
            ran = ran or one.state == State.PROCESSING
        if unrecorded and len(made) == 1:
            before, ran = None, True
    if saved is not None:
        held = (
            f"Held at {amount(job.progress.held)}"
            if job.progress and job.progress.held is not None
            else "Held"
        )
        dot = Entry(f"{held} · {size(saved.bytes)}", at=saved.at, dot=True)
        place = sum(1 for entry in made if entry.at is not None and entry.at <= saved.at)
        made.insert(place, dot)
    hidden = len(made) - 1 - MAX_ROWS if len(made) > 2 * MAX_ROWS else 0
    between = [f"{pluralize(unrecorded, 'earlier run')} not kept"] if unrecorded else []
    between += [f"{pluralize(hidden, 'earlier change')} not shown"] if hidden else []
    made[1 : 1 + hidden] = [Entry(gap, dot=True) for gap in between]
    made.reverse()
    return [*_ahead(job), *made]


def _request(one: HistoryView) -> Entry:
    text = _actor_and_reason(one)
    if one.state == "pause":
        return Entry("Pause requested", "pausing", "paused", text, one.at)
    if one.state == "cancel":
        return Entry("Cancel requested", "cancelling", "cancelled", text, one.at)
    return Entry("Pause withdrawn", "processing", "processing", text, one.at)


def _change(one: HistoryView, before: HistoryView | None, names: Mapping[str, str], ran: bool) -> Entry:
    gap = (one.at - before.at).total_seconds() if before else 0.0
    parts: list[str] = []
    key = "retrying" if one.state == State.SCHEDULED and one.reason == "retry" else one.state
    title = style_of_state(key).word
    match one.state:
        case State.PROCESSING:
            title = "Running again" if ran else "Running"
            parts = [
                f"attempt {one.attempt}"
                + (f" on worker {names.get(one.worker) or one.worker[-12:]}" if one.worker else "")
            ]
            if before is not None:
                parts.append(f"waited {duration(gap)}")
        case State.ENQUEUED if before is not None:
            title = {
                State.PAUSED: "Resumed",
                State.SCHEDULED: "Queued",
                State.PROCESSING: "Requeued",
                State.FAILED: "Retried",
                State.CANCELLED: "Retried",
            }.get(State(before.state) if before.state in _STATES else State.AWAITING, "Queued")
            parts = [_because(one) or ("its time had come" if before.state == State.SCHEDULED else "")]
            if before.state == State.PAUSED:
                parts.append(f"paused for {duration(gap)}")
        case State.PAUSED:
            parts = [_because(one)]
            if before is not None and before.state == State.PROCESSING:
                parts.append(f"ran {duration(gap)}")
        case State.SCHEDULED if key == "retrying":
            title = "Failed, will be retried"
            parts = [f"attempt {one.attempt}, ran {duration(gap)}"]
        case State.SUCCEEDED | State.FAILED | State.CANCELLED:
            parts = [
                _because(one),
                f"after {duration(gap)}" if before is not None and before.state == State.PROCESSING else "",
            ]
        case _:
            parts = [_because(one)]
    return Entry(title, key, style_of_state(key).icon, "; ".join(part for part in parts if part), one.at)


def _because(one: HistoryView) -> str:
    if one.reason and not one.actor:
        if one.reason.startswith(DIED):
            return f"its {one.reason}"
        if one.reason in RECORDED:
            return RECORDED[one.reason]
    return _actor_and_reason(one)


def _actor_and_reason(one: HistoryView) -> str:
    who = f"by {one.actor}" if one.actor else ""
    why = f"“{one.reason}”" if one.reason else ""
    return ": ".join(part for part in (who, why) if part)


def _ahead(job: JobView) -> list[Entry]:
    if job.state == State.PROCESSING and job.requested == "pause":
        return [Entry("Paused", icon="paused", text="at the next checkpoint", ahead=True)]
    if job.state == State.PROCESSING and job.requested == "cancel":
        return [
            Entry(
                "Cancelled",
                icon="cancelled",
                text="at the next checkpoint, by force after the grace time",
                ahead=True,
            )
        ]
    if job.state == State.SCHEDULED and job.run_at is not None:
        wait = (job.run_at - datetime.now(UTC)).total_seconds()
        return [
            Entry("Queued", icon="enqueued", text=f"in {ticking(wait)}" if wait > 0 else "now", ahead=True)
        ]
    return []
