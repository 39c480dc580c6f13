"""A clock that a test sets."""

from __future__ import annotations

START = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds since the epoch."""


class FakeClock:
    """A clock that only moves when a test advances it. Call it for the time in microseconds since the epoch."""

    def __init__(self, start: int = START) -> None:
        self._now = start

    def __call__(self) -> int:
        return self._now

    def advance(self, seconds: float) -> int:
        """Advance by so many seconds (negative: a clock that was set back); returns the new time."""
        self._now += round(seconds * 1_000_000)
        return self._now
