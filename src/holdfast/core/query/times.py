"""Turns times as people write them (`2h`, `today`) into instants, by a given clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from holdfast.core.duration import UNITS, seconds
from holdfast.core.query.nodes import Compare

_TICK = timedelta(microseconds=1)
_SPAN = re.compile(r"[0-9][0-9a-z.]*")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_CLOCK = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?")
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-9]{2})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FORMS = "2h, today, yesterday, 2026-11-01 or 2026-11-01T10:00Z"


@dataclass(frozen=True, slots=True)
class Moment:
    """What a written time covers, [start, end): a whole day, a minute or less; of a relative time nothing."""

    start: datetime
    end: datetime
    day: bool = False

    @property
    def relative(self) -> bool:
        return self.start == self.end


def read_span(text: str) -> float:
    """`text` as a duration in seconds. Raises ValueError with a message for the user."""
    if _SPAN.fullmatch(text):
        try:
            return seconds(text)
        except ValueError:
            pass
    raise ValueError("This is no duration of at most 100 years; write 500ms, 30s, 15m, 1h30m or 2d")


def read_moment(text: str, now: datetime, zone: tzinfo) -> Moment:
    """`text` as a moment. Raises ValueError with a message for the user.

    A time without an offset is a wall clock time of `zone`: one that exists twice is the earlier, one that a
    clock change leaves out is moved on by the change. Days begin and end at midnight there, so they may have
    23 or 25 hours; `1d` is always 24 hours.
    """
    if text in ("today", "yesterday"):
        today = now.astimezone(zone).date()
        return _day(today if text == "today" else today - timedelta(days=1), zone)
    if is_span(text):
        start = now.astimezone(UTC) - timedelta(seconds=read_span(text))
        return Moment(start, start)
    head = _DATE.match(text)
    if head is None:
        raise ValueError(f"This is no time; write {_FORMS}")
    try:
        day = date(int(head[1]), int(head[2]), int(head[3]))
        if not 1970 <= day.year <= 9998:
            raise ValueError("the year must lie between 1970 and 9998")
        rest = text[head.end() :]
        if not rest:
            return _day(day, zone)
        if rest[0] not in "Tt ":
            raise ValueError("after the date comes T and the time")
        return _minute(day, rest[1:], zone)
    except ValueError as error:
        raise ValueError(f"This is no time ({error}); write {_FORMS}") from None


def limits(op: Compare, first: Moment, last: Moment | None) -> tuple[datetime | None, datetime | None]:
    """The half-open range that a comparison with `first` means, or with `..` the range from it to `last`.

    A range ends with its last day, or just before its last instant. Raises ValueError when nothing can be
    meant.
    """
    just_after = first.end if first.day else first.start if first.relative else first.start + _TICK
    low: datetime | None = None
    high: datetime | None = None
    match op:
        case "=" if first.relative:
            raise ValueError("Write > for younger or < for older")
        case "=":
            low, high = first.start, first.end
        case ">":
            low = just_after
        case ">=":
            low = first.start
        case "<":
            high = first.start
        case "<=":
            high = just_after
        case "..":
            assert last is not None  # the parser gives every range two ends
            low, high = first.start, last.end if last.day else last.start
            if low >= high:
                raise ValueError("This range ends before it begins")
    return low, high


def ago(older: float | None, younger: float | None) -> str:
    """Times from `older` until `younger` seconds before now, in words: `in the last 2 hours`, `more than 2 hours ago`."""
    if older is None:
        return f"more than {spoken(younger or 0)} ago"
    if younger is None:
        words = spoken(older)
        return f"in the last {words.removeprefix('1 ') if words.count(' ') == 1 else words}"
    return f"between {spoken(older)} and {spoken(younger)} ago"


def before(now: datetime, seconds: float | None) -> datetime | None:
    """The instant so long before now; None stays None."""
    return None if seconds is None else now.astimezone(UTC) - timedelta(seconds=seconds)


def unit_of(text: str) -> float:
    """The seconds of the smallest unit that a duration is written in: an hour for 2h, a minute for 1h30m."""
    unit = text[len(text.rstrip("abcdefghijklmnopqrstuvwxyz")) :]
    return UNITS.get(unit, 1.0)


def is_span(text: str) -> bool:
    """Whether the text is a span of time before now, as 2h is."""
    return _SPAN.fullmatch(text) is not None and text[-1].isalpha()


def spoken(seconds: float) -> str:
    """A span of time in words: `2 hours`, `1 day 12 hours`, `0.5 seconds`."""
    parts: list[str] = []
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        whole, seconds = divmod(seconds, size)
        if whole:
            parts.append(_counted(int(whole), unit))
    if seconds or not parts:
        parts.append(_counted(round(seconds, 3), "second"))
    return " ".join(parts)


def _counted(number: float, unit: str) -> str:
    return (
        f"{number:g} {unit}{'' if number == 1 else 's'}" if number < 1_000_000 else f"{number:,.0f} {unit}s"
    )


def explain(op: Compare, first: Moment, bounds: tuple[datetime | None, datetime | None], zone: tzinfo) -> str:
    """The range as text for the user, in the zone: `after 19 Nov 2026, 14:03:22 UTC`."""
    low, high = bounds
    if low and high:
        return between(low, high, zone)
    if op in (">", "<="):
        shown = _show(first.end if first.day else first.start, zone)
        if first.day:
            return f"from {shown} on" if op == ">" else f"before {shown}"
        return f"after {shown}" if op == ">" else f"until {shown}"
    return f"from {_show(first.start, zone)} on" if op == ">=" else f"before {_show(first.start, zone)}"


def between(low: datetime | None, high: datetime | None, zone: tzinfo) -> str:
    """A range of instants in words, in the zone."""
    if low and high:
        return f"from {_show(low, zone)} until {_show(high, zone)}"
    if low:
        return f"after {_show(low, zone)}"
    assert high is not None  # a comparison bounds one side at least
    return f"before {_show(high, zone)}"


def _day(day: date, zone: tzinfo) -> Moment:
    return Moment(_instant(day, time(), zone), _instant(day + timedelta(days=1), time(), zone), day=True)


def _minute(day: date, text: str, zone: tzinfo) -> Moment:
    clock = _CLOCK.match(text)
    if clock is None:
        raise ValueError("the time of day is written 10:00 or 10:00:30")
    fraction = clock[4] or ""
    of_day = time(int(clock[1]), int(clock[2]), int(clock[3] or 0), int(fraction.ljust(6, "0")))
    start = _instant(day, of_day, _zone(text[clock.end() :], zone))
    if clock[3] is None:
        return Moment(start, start + timedelta(minutes=1))
    return Moment(start, start + timedelta(microseconds=10 ** (6 - len(fraction))))


def _zone(text: str, zone: tzinfo) -> tzinfo:
    if not text:
        return zone
    if text in ("Z", "z"):
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset is None or int(offset[2]) > 23 or int(offset[3]) > 59:
        raise ValueError("the zone is written Z or +01:00")
    delta = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    return timezone(delta if offset[1] == "+" else -delta)


def _instant(day: date, of_day: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, of_day, zone).astimezone(UTC)


def _show(instant: datetime, zone: tzinfo) -> str:
    local = instant.astimezone(zone)
    name = local.tzname() or local.isoformat()[-6:]
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M:%S} {name}"
