"""The texts of a job on a terminal: state, progress bar with checkpoint mark, times, durations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from holdfast.core.sizes import middle

STYLES = {
    "scheduled": "blue",
    "awaiting": "blue",
    "enqueued": "cyan",
    "processing": "bold yellow",
    "paused": "magenta",
    "succeeded": "green",
    "failed": "bold red",
    "cancelled": "bright_black",
    "live": "green",
    "draining": "yellow",
    "lost": "bold red",
    "open": "green",
}

REQUESTED = {"pause": "pausing", "cancel": "cancelling"}
"""A request that a running job has not followed yet, in the terms of `state:` in a search."""

BAR = 24
MAX_PERCENT = 1_000_000
FILL, HELD, EMPTY = "█", "┃", "░"


def printable(text: str) -> str:
    """Text that cannot control the terminal: characters that are not printable are shown as escapes."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def style_of(row: Mapping[str, Any], field: str) -> str:
    """The colour of a cell; it only repeats what the text says."""
    return STYLES.get(str(row.get("state")), "") if field == "state" else ""


def cell(row: Mapping[str, Any], field: str, *, utc: bool = False, whole: bool = False) -> str:
    """The text of a field of a row. `whole`: not shortened."""
    head, _, rest = field.partition(".")
    value = row.get(head)
    unreadable: Mapping[str, str] = row.get("unreadable") or {}
    if why := unreadable.get(head):
        return printable(f"unreadable: {why}")
    if rest and isinstance(value, dict):
        return cell(cast("dict[str, Any]", value), rest, utc=utc, whole=whole)
    if value is None or rest:
        return ""
    if field == "state" and row.get("requested"):
        return state_text(value, row["requested"])
    if field == "progress":
        return progress_text(value)
    if field == "args" and not whole:
        return printable(middle(json.dumps(value, ensure_ascii=False), 60))
    if field in ("oldest_wait", "timeout", "duration"):
        return duration(value)
    if field.endswith("_at") or field == "at":
        moment = datetime.fromisoformat(value)
        return (
            f"{stamp(moment, utc=utc)} ({ago(moment, datetime.now(UTC))})"
            if whole
            else stamp(moment, utc=utc)
        )
    if field == "error":
        return error_text(value, whole=whole)
    if isinstance(value, list) and all(isinstance(one, str) for one in cast("list[object]", value)):
        return printable(", ".join(cast("list[str]", value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False))


def state_text(state: str, requested: str | None) -> str:
    """The state of a job, with the request that it has not followed yet: processing, cancelling."""
    return f"{state}, {REQUESTED[requested]}" if requested else state


def exact(value: float) -> str:
    """A number in full, with thousands separators."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,}"


def duration(seconds: float) -> str:
    """A duration in at most two units: 12 ms, 1.9 s, 41 s, 2 min 14 s, 7 h 56 min, 3 d 4 h. Never negative."""
    if 0 < seconds < 0.1:
        return f"{max(1, round(seconds * 1000))} ms"
    if 0 < seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    for size, unit, below, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // below} {small}"
    return f"{whole} s"


def ago(moment: datetime, now: datetime) -> str:
    """A time relative to now, in one unit: 2 min ago, in 5 min, now."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    size, unit = next(
        (s, u) for s, u in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")) if abs(seconds) >= s
    )
    span = f"{int(abs(seconds) // size)} {unit}"
    return f"in {span}" if seconds < 0 else f"{span} ago"


def stamp(moment: datetime, *, utc: bool) -> str:
    """A time with its zone, local or UTC; with the date unless it is today."""
    local = moment.astimezone(UTC if utc else None)
    day = "" if local.date() == datetime.now(local.tzinfo).date() else f"{local:%Y-%m-%d} "
    return f"{day}{local:%H:%M:%S} {local.tzname() or ''}".rstrip()


def error_text(error: Mapping[str, Any], *, whole: bool = False) -> str:
    """The class and message of the last error."""
    text = f"{error['type']}: {error['message']}"
    return printable(text if whole else middle(text, 80))


def progress_text(progress: Mapping[str, Any]) -> str:
    """Progress in numbers: 41,200 / 90,000  46 %."""
    done, total = progress["done"], progress.get("total")
    if not total:
        return exact(done)
    return f"{exact(done)} / {exact(total)}  {share(done, total)}"


def share(done: float, total: float) -> str:
    """The share in whole percent, rounded down: 100 % only when everything is done."""
    return f"{int(max(-MAX_PERCENT, min(MAX_PERCENT, 100 * (done / total)))) if total > 0 else 0} %"


def bar(done: float, total: float | None, held: float | None, width: int = BAR) -> str:
    """A progress bar, with an upright mark at the last durable checkpoint."""
    if not total or total <= 0:
        return EMPTY * width
    filled = _cells(done, total, width)
    cells = [FILL] * filled + [EMPTY] * (width - filled)
    if held:
        cells[max(0, _cells(held, total, width) - 1)] = HELD
    return "".join(cells)


def _cells(part: float, total: float, width: int) -> int:
    return int(max(0.0, min(float(width), width * (part / total))))


def bar_line(name: str, progress: Mapping[str, Any], *, left: float | None = None) -> str:
    """A progress bar with its numbers: rows ████┃█░░  41,200 / 90,000  46 %  held 40,960  2 min left."""
    done, total, held = progress["done"], progress.get("total"), progress.get("held")
    parts = [f"{printable(name)} " if name else "", bar(done, total, held), "  ", progress_text(progress)]
    if held is not None:
        parts.append(f"  held {exact(held)}")
    if left is not None:
        parts.append(f"  about {duration(left)} left")
    if progress.get("message"):
        parts.append(f"  {printable(progress['message'])}")
    return "".join(parts)
