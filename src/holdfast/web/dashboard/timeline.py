"""The history of a job as a list and as a strip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from holdfast.client.views import HistoryView, JobView, SavedView
from holdfast.core.states import DIED, FINAL_STATES, LEASE_EXPIRED, State
from holdfast.web.dashboard.format import duration, size, ticking, words
from holdfast.web.dashboard.looks import look_of_state
from holdfast.web.dashboard.present import amount

MAX_ROWS = 50
"""Entries of a long timeline that are drawn, with each change anew; all of them are to be had by REST."""

MAX_LEFT = 10 * 365 * 86_400
"""A longer time that is left, in seconds, is not told."""

_STATES = frozenset(State)

STEPS = (
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14_400,
    21_600,
    43_200,
    86_400,
    172_800,
    604_800,
)


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
"""In words: reasons that Holdfast records. Any other one was given by a person or by the job itself, and is quoted."""


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
    told: list[Entry] = []
    before: HistoryView | None = None
    ran = False
    forgotten = _forgotten(job, history)
    for one in history:
        told.append(_request(one) if one.kind == "request" else _change(one, before, names, ran))
        if one.kind != "request":
            before = one
            ran = ran or one.state == State.PROCESSING
        if forgotten and len(told) == 1:
            before, ran = None, True
    if saved is not None:
        held = (
            f"Held at {amount(job.progress.held)}"
            if job.progress and job.progress.held is not None
            else "Held"
        )
        dot = Entry(f"{held} · {size(saved.bytes)}", at=saved.at, dot=True)
        place = sum(1 for entry in told if entry.at is not None and entry.at <= saved.at)
        told.insert(place, dot)
    hidden = len(told) - 1 - MAX_ROWS if len(told) > 2 * MAX_ROWS else 0
    between = [f"{words(forgotten, 'earlier run')} not kept"] if forgotten else []
    between += [f"{words(hidden, 'earlier change')} not shown"] if hidden else []
    told[1 : 1 + hidden] = [Entry(gap, dot=True) for gap in between]
    told.reverse()
    return [*_ahead(job), *told]


def _forgotten(job: JobView, history: Sequence[HistoryView]) -> int:
    """Runs between the first row and the others, of a job that has gone round and round (`MAX_HISTORY`). The history may
    have been read after the job, and know a claim more."""
    return max(0, job.claims - sum(one.state == State.PROCESSING for one in history))


def _request(one: HistoryView) -> Entry:
    text = _said(one)
    if one.state == "pause":
        return Entry("Pause requested", "pausing", "paused", text, one.at)
    if one.state == "cancel":
        return Entry("Cancel requested", "cancelling", "cancelled", text, one.at)
    return Entry("Pause withdrawn", "processing", "processing", text, one.at)


def _change(one: HistoryView, before: HistoryView | None, names: Mapping[str, str], ran: bool) -> Entry:
    gap = (one.at - before.at).total_seconds() if before else 0.0
    parts: list[str] = []
    key = "retrying" if one.state == State.SCHEDULED and one.reason == "retry" else one.state
    title = look_of_state(key).word
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
    return Entry(title, key, look_of_state(key).icon, "; ".join(part for part in parts if part), one.at)


def _because(one: HistoryView) -> str:
    if one.reason and not one.actor:
        if one.reason.startswith(DIED):
            return f"its {one.reason}"
        if one.reason in RECORDED:
            return RECORDED[one.reason]
    return _said(one)


def _said(one: HistoryView) -> str:
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


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the strip: which state, where, how wide (per cent), and its words."""

    key: str
    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A label under the strip."""

    x: float
    text: str
    at: datetime | None


@dataclass(slots=True)
class Strip:
    """The Gantt strip of a job, from its creation (or as far back as it is known) to now (or its end), with the time that is
    left drawn as ahead."""

    bars: list[Piece] = field(default_factory=list[Piece])
    key: list[Piece] = field(default_factory=list[Piece])
    ticks: list[Tick] = field(default_factory=list[Tick])
    held: list[float] = field(default_factory=list[float])
    now: float = 100.0
    live: bool = False
    ahead: str = ""
    checkpoints: int = 0
    words: str = ""


_SPAN_WORDS = {
    "processing": "ran",
    "enqueued": "queued",
    "awaiting": "waiting",
    "retrying": "waited for a retry",
}


def run_seconds(job: JobView, history: Sequence[HistoryView], now: datetime) -> float:
    """How long the job has run, pauses and waits left out."""
    return sum(
        (end - start).total_seconds() for key, start, end in _spans(history, job, now) if key == "processing"
    )


def seconds_left(job: JobView, history: Sequence[HistoryView], now: datetime) -> float | None:
    """How long it still runs, when it goes on as it went; None when that cannot be said."""
    bar = job.progress
    if _forgotten(job, history):
        return None
    if job.state != State.PROCESSING or bar is None or not bar.total or not 0 < bar.done < bar.total:
        return None
    ran = run_seconds(job, history, now)
    left = ran / bar.done * (bar.total - bar.done) if ran >= 1 else None
    return left if left is not None and left < MAX_LEFT else None


def _spans(
    history: Sequence[HistoryView], job: JobView, now: datetime
) -> list[tuple[str, datetime, datetime]]:
    changes = [one for one in history if one.kind != "request"]
    if _forgotten(job, history):
        changes = changes[1:]
    spans: list[tuple[str, datetime, datetime]] = []
    for at, one in enumerate(changes):
        if one.state in FINAL_STATES:
            continue
        end = changes[at + 1].at if at + 1 < len(changes) else now
        key = "retrying" if one.state == State.SCHEDULED and one.reason == "retry" else one.state
        spans.append((key, one.at, max(one.at, end)))
    return spans


def strip(job: JobView, history: Sequence[HistoryView], saved: SavedView | None, zone: str) -> Strip:
    """The strip of a job."""
    now = datetime.now(UTC)
    live = job.state not in FINAL_STATES
    spans = _spans(history, job, now)
    out = Strip(live=live, checkpoints=saved.count if saved else 0)
    if not spans:
        return out
    start, end = spans[0][1], spans[-1][2]
    left = seconds_left(job, history, now)
    whole = max(0.001, (end - start).total_seconds() + (left or 0))

    def place(moment: datetime) -> float:
        return round(min(100.0, max(0.0, 100 * (moment - start).total_seconds() / whole)), 2)

    sums: dict[str, float] = {}
    for key, begin, finish in spans:
        seconds = (finish - begin).total_seconds()
        sums[key] = sums.get(key, 0.0) + seconds
        x, width = place(begin), round(place(finish) - place(begin), 2)
        if width >= 0.05:
            out.bars.append(
                Piece(key, x, max(width, 0.3), f"{_span_word(key).capitalize()} {duration(seconds)}")
            )
    out.key = [Piece(key, 0, 0, f"{_span_word(key)} {duration(seconds)}") for key, seconds in sums.items()]
    out.now = place(end)
    if left is not None:
        out.ahead = f"about {ticking(left)} left"
    if saved is not None:
        out.held = [place(saved.at)]
    out.ticks = _ticks(start, whole, zone)
    shown = ", ".join(piece.text for piece in out.key)
    out.words = f"{shown}. {words(out.checkpoints, 'checkpoint')}. {out.ahead}".strip()
    return out


def _span_word(key: str) -> str:
    return _SPAN_WORDS.get(key, look_of_state(key).word.lower())


def _ticks(start: datetime, whole: float, zone: str) -> list[Tick]:
    step = next((one for one in STEPS if whole / one <= 6), STEPS[-1])
    local = start.astimezone(ZoneInfo(zone))
    offset = local.utcoffset() or timedelta()
    first = (start.timestamp() + offset.total_seconds()) // step * step + step - offset.total_seconds()
    ticks: list[Tick] = []
    at = first
    while at < start.timestamp() + whole and len(ticks) < 8:
        moment = datetime.fromtimestamp(at, UTC)
        x = round(100 * (at - start.timestamp()) / whole, 2)
        if 2 <= x <= 98:
            form = "%d %b" if step >= 86_400 else "%H:%M" if step >= 60 else "%H:%M:%S"
            ticks.append(
                Tick(x, moment.astimezone(ZoneInfo(zone)).strftime(form), None if step >= 86_400 else moment)
            )
        at += step
    return ticks
