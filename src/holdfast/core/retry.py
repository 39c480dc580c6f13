"""The retry policy: when a failed job is tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from holdfast.core.duration import seconds

Backoff = Callable[[int, float], float]
"""`(attempt, chance) -> seconds`: attempt counts from 1, chance is drawn from [0, 1) by the caller."""

DEFAULT_RETRIES = 10
"""Retries after the first attempt, as in Hangfire's AutomaticRetry."""

MAX_DELAY = 10 * 365 * 86_400.0
"""The longest delay, in seconds, that a job or a backoff function may ask for."""


def read_delay(value: float | str | timedelta) -> float:
    """The seconds that a job or a backoff function asks for, in any form of a duration. Raises ValueError for a number that
    is no delay, and whatever the conversion of another type raises."""
    delay = seconds(value)
    if delay > MAX_DELAY:
        raise ValueError(f"a delay must lie between 0 and 10 years, got {value!r}")
    return delay


def hangfire(attempt: int, chance: float) -> float:
    """Grows as (n-1)^4 + 15 s with a jitter of up to 29 s times n: 15 s, 16 s, 31 s, 96 s … 1.8 h (Hangfire's formula)."""
    return float((attempt - 1) ** 4 + 15 + int(chance * 30) * attempt)


def exponential(base: float = 2.0, *, cap: float = 3600.0) -> Backoff:
    """Full jitter around `base`^n seconds, never above `cap` seconds: spreads a wave of failures evenly."""

    def backoff(attempt: int, chance: float) -> float:
        ceiling = min(cap, base ** min(attempt, 64))
        return ceiling / 2 + chance * ceiling / 2

    return backoff


def fixed(delays: Sequence[float]) -> Backoff:
    """The given delays in seconds, one after the other; the last one repeats."""
    if not delays or any(delay < 0 for delay in delays):
        raise ValueError("backoff needs at least one delay, and none below zero")
    steps = tuple(float(delay) for delay in delays)

    def backoff(attempt: int, chance: float) -> float:
        del chance
        return steps[min(attempt, len(steps)) - 1]

    return backoff


def as_backoff(value: Backoff | float | Sequence[float] | None) -> Backoff:
    """What `@app.job(backoff=…)` takes: nothing (Hangfire's), a number of seconds, a list of them, or a function."""
    if value is None:
        return hangfire
    if callable(value):
        return value
    return fixed([value] if isinstance(value, (int, float)) else value)
