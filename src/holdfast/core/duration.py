"""Reads durations: seconds, "15m", "1h30m", "2 d", or a timedelta."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
MAX_SECONDS = 100 * 365 * 86_400.0

_PART = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*(ms|min|s|m|h|d|w)\s*", re.ASCII)


def seconds(value: float | str | timedelta) -> float:
    """`value` in seconds. Raises ValueError, naming the accepted forms, for anything else, below zero or above 100 years."""
    if isinstance(value, timedelta):
        result = value.total_seconds()
    elif isinstance(value, str):
        result = _parse(value)
    else:
        result = float(value)
    if not 0 <= result <= MAX_SECONDS:
        raise ValueError(f"a duration must lie between 0 and 100 years, got {value!r}")
    return result


def _parse(text: str) -> float:
    if len(text) <= 40:
        try:
            return float(text)
        except ValueError:
            pass
        total, end = 0.0, 0
        while end < len(text) and (part := _PART.match(text, end)):
            total += float(part[1]) * UNITS[part[2]]
            end = part.end()
        if end == len(text) and end:
            return total
    raise ValueError(
        f"not a duration: {text[:40]!r}; write seconds, or for example 500ms, 30s, 15m, 1h30m, 2d"
    )
