"""Formats numbers, times and durations; `static/js/time.js` has the same rules."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def number(value: float) -> str:
    """A count in full up to 99,999, above that short: 128.4k, 3.1M. Put the exact value into `title`."""
    if abs(value) < 100_000:
        return f"{value:,.0f}"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:,.0f}"


def exact(value: float) -> str:
    """A count in full, with thousands marked."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,}"


def percent(part: float, whole: float) -> str:
    """A share: 0 %, 1.9 %, 22 %."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.0f} %" if share == 0 or share >= 9.95 else f"{share:.1f} %"


def duration(seconds: float) -> str:
    """A span in two units at most: 12 ms, 1.9 s, 41 s, 2 min 14 s, 7 h 56 min, 3 d 4 h. Never negative."""
    seconds = max(0.0, seconds)
    if 0 < seconds < 0.0995:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 9.95 and not float(seconds).is_integer():
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return ticking(whole).removesuffix(" 00 s").removesuffix(" 00 min").removesuffix(" 0 h")


def ticking(seconds: float) -> str:
    """A span in whole seconds, for what counts up on the page."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole // 60 % 60:02d} min"
    return f"{whole // 86_400} d {whole // 3600 % 24} h"


def rough(seconds: float) -> str:
    """A span in one unit: 40 s, 2 min, 1 h, 3 d."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86_400:
        return f"{whole // 3600} h"
    return f"{whole // 86_400} d"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago a moment was, or how soon it comes: 2 min ago, in 5 min, now."""
    seconds = (now - moment).total_seconds()
    if seconds <= -1:
        return f"in {rough(-seconds)}"
    return "now" if seconds < 1 else f"{rough(seconds)} ago"


def clock(moment: datetime, zone: str) -> str:
    """The time of day in a zone, with the date when it is not today's: 14:03:22, 19 Nov 14:03:22."""
    local = moment.astimezone(ZoneInfo(zone))
    today = datetime.now(UTC).astimezone(local.tzinfo).date()
    return local.strftime("%H:%M:%S" if local.date() == today else f"{local.day} %b %H:%M:%S")


def clock_ms(moment: datetime, zone: str) -> str:
    """The time of day with milliseconds, for the console: 14:03:22.114."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


def stamp(moment: datetime, zone: str) -> str:
    """Day and time in full: 19 Nov 2026, 14:03:22."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M:%S}"


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, for `<time datetime>`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def size(octets: int) -> str:
    """A size: 184 B, 12.4 kB, 3.1 MB."""
    if octets < 1000:
        return f"{octets} B"
    return f"{octets / 1000:.1f} kB" if octets < 1_000_000 else f"{octets / 1_000_000:.1f} MB"


def pluralize(count: float, singular: str, plural: str | None = None) -> str:
    """A count with its noun: 1 job, 12,431 jobs."""
    return f"{number(count)} {singular if count == 1 else plural or singular + 's'}"
