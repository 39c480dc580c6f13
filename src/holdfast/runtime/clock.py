"""The clock and the random values of this package, in one place, so that a test can replace them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def since_boot() -> float:
    """Seconds on a clock that all processes of this host share, that never steps, and that counts the machine's sleep where
    there is such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as text: 48 bits of milliseconds, then 74 random bits. Sorts by time across calls, roughly."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """So many of them, of the same millisecond. Together they cost a third of what they cost one by one."""
    now = (time.time_ns() // 1_000_000).to_bytes(6, "big").hex()
    head = f"{now[:8]}-{now[8:]}-7"
    chance = os.urandom(10 * count).hex()
    return [
        f"{head}{chance[at : at + 3]}-{_VARIANT[chance[at + 3]]}{chance[at + 4 : at + 7]}-{chance[at + 7 : at + 19]}"
        for at in range(0, 20 * count, 20)
    ]


def new_worker_id() -> str:
    """Twelve random characters for one start of a worker process; short, because every row that it touches carries it."""
    return os.urandom(6).hex()


FIRST_US = (datetime(1, 1, 2, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
LAST_US = (datetime(9998, 12, 31, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
"""The first and the last time that a datetime holds in every zone, in microseconds since the epoch."""


def from_us(value: int) -> datetime:
    """The aware UTC datetime of a stored time; the nearest one where no datetime holds it."""
    value = min(max(value, FIRST_US), LAST_US)
    return datetime.fromtimestamp(value // 1_000_000, UTC).replace(microsecond=value % 1_000_000)


def to_us(value: datetime) -> int:
    """A datetime as it is stored; one without a zone is taken as local time."""
    whole = int(value.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + value.microsecond
