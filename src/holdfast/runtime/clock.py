"""This exists so that time and chance enter at one place and can be replaced in a test."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime


def now_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as text: 48 bits of milliseconds, then 74 random bits. Sorts by time across calls, roughly."""
    head = (time.time_ns() // 1_000_000).to_bytes(6, "big").hex()
    tail = os.urandom(10).hex()
    variant = "89ab"[int(tail[4], 16) & 3]
    return f"{head[:8]}-{head[8:]}-7{tail[1:4]}-{variant}{tail[5:8]}-{tail[8:]}"


def new_worker_id() -> str:
    """Twelve random characters for one start of a worker process; short, because every row that it touches carries it."""
    return os.urandom(6).hex()


def from_us(value: int) -> datetime:
    """The aware UTC datetime of a stored time."""
    return datetime.fromtimestamp(value // 1_000_000, UTC).replace(microsecond=value % 1_000_000)


def to_us(value: datetime) -> int:
    """A datetime as it is stored; one without a zone is taken as local time."""
    whole = int(value.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + value.microsecond
