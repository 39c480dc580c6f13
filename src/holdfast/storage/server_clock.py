"""Estimates the database server's clock, without asking for it each time.

A transaction gets the time from the server, with its first statement. Between transactions it is estimated from the
difference to this host's boot clock, which no change of the host's time moves and which continues while the machine sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final, cast

from holdfast.storage.records.dialect import Row, Value

REFRESH: Final = 30.0
"""Seconds after which it is measured anew, so that no drift of two quartzes counts."""


class ServerClock:
    """Microseconds since the epoch on the server's clock. Call it for the time; it knows it once it was measured."""

    def __init__(self) -> None:
        self._offset: int | None = None
        self._measured = 0

    def __call__(self) -> int:
        if self._offset is None:
            return time.time_ns() // 1000
        return since_boot() + self._offset

    @property
    def stale(self) -> bool:
        """Whether it should be measured before it is used."""
        return self._offset is None or since_boot() - self._measured > REFRESH * 1_000_000

    def set(self, told: int, asked: int) -> None:
        """The server told this time, in answer to a question that was put at `asked` (see `since_boot`)."""
        now = since_boot()
        self._offset, self._measured = told - (asked + now) // 2, now


class ServerLeases:
    """Leases by the server's clock: a lease ends at a time of the store."""

    columns: ClassVar[tuple[str, ...]] = ("deadline",)
    over: ClassVar[str] = "deadline < ?"

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now

    def now(self) -> tuple[Value, ...]:
        return (self._now(),)

    def until(self, seconds: float) -> tuple[Value, ...]:
        return (self._now() + int(seconds * 1_000_000),)

    def ended_at(self, columns: Row) -> int:
        return cast(int, columns[0])


def since_boot() -> int:
    """Microseconds on a clock of this host that never steps and counts its sleep, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    nanoseconds = time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)
    return nanoseconds // 1000
