"""The Gantt strip of a job: how long it was in which state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from holdfast.client.views import HistoryView, JobView, SavedView
from holdfast.core.states import FINAL_STATES, State
from holdfast.web.dashboard.format import duration, pluralize, ticking
from holdfast.web.dashboard.state_styles import style_of_state

MAX_LEFT = 10 * 365 * 86_400
"""A longer remaining time, in seconds, is not shown."""

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


def unrecorded_runs(job: JobView, history: Sequence[HistoryView]) -> int:
    """How many runs after the first are missing in the history of a job that ran very often (`MAX_HISTORY`). The history may
    have been read after the job, and contain one claim more."""
    return max(0, job.claims - sum(one.state == State.PROCESSING for one in history))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the strip: its state, position and width in per cent, and its text."""

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
    """The Gantt strip of a job, from its creation (or as far back as it is known) to now (or its end), followed by the
    estimate of what is left."""

    bars: list[Piece] = field(default_factory=list[Piece])
    key: list[Piece] = field(default_factory=list[Piece])
    ticks: list[Tick] = field(default_factory=list[Tick])
    held: list[float] = field(default_factory=list[float])
    now: float = 100.0
    live: bool = False
    ahead: str = ""
    checkpoints: int = 0
    summary: str = ""


_SPAN_WORDS = {
    "processing": "ran",
    "enqueued": "queued",
    "awaiting": "waiting",
    "retrying": "waited for a retry",
}


def run_seconds(job: JobView, history: Sequence[HistoryView], now: datetime) -> float:
    """How long the job has run, without pauses and waits."""
    return sum(
        (end - start).total_seconds() for key, start, end in _spans(history, job, now) if key == "processing"
    )


def seconds_left(job: JobView, history: Sequence[HistoryView], now: datetime) -> float | None:
    """How long it will still run at its speed so far; None when that is not known."""
    bar = job.progress
    if unrecorded_runs(job, history):
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
    if unrecorded_runs(job, history):
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
    out.summary = f"{shown}. {pluralize(out.checkpoints, 'checkpoint')}. {out.ahead}".strip()
    return out


def _span_word(key: str) -> str:
    return _SPAN_WORDS.get(key, style_of_state(key).word.lower())


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
