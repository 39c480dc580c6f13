"""Time from just before an enqueue call to the first line of the job in another process, the same way for
everyone.

Both ends read CLOCK_MONOTONIC, which all processes of a Linux machine share. The job appends one line to a
file with a single write, so nothing is lost between processes. Standard library only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.child import Measurement
from benchmarks.summary import percentile

INTERVAL = 0.02
"""Seconds between two enqueue calls."""

_WARM_UP = 25
_DEADLINE = 60.0
_FILE = "stamps"


def stamp(directory: Path, sent: int) -> None:
    """The job's first line: append `sent` and now, in nanoseconds."""
    now = time.monotonic_ns()
    descriptor = os.open(directory / _FILE, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, f"{sent} {now}\n".encode())
    finally:
        os.close(descriptor)


def stamped(directory: Path) -> int:
    """How many stamps there are by now."""
    path = directory / _FILE
    return len(path.read_text().splitlines()) if path.exists() else 0


def measure(directory: Path, count: int, enqueue: Callable[[int], object]) -> Measurement:
    """Enqueue `count` jobs, one each 20 ms, after 25 that are not counted; milliseconds at p50, p95 and p99.

    The worker is ready before the count begins: the uncounted jobs are waited for. TimeoutError when stamps
    stay away.
    """
    _send(_WARM_UP, enqueue)
    _wait(directory, _WARM_UP)
    time.sleep(0.5)  # let the worker go back to its idle way of waiting
    _send(count, enqueue)
    times = _wait(directory, _WARM_UP + count)[_WARM_UP:]
    return {f"p{percent}_ms": percentile(times, percent) for percent in (50, 95, 99)} | {"max_ms": max(times)}


def _send(count: int, enqueue: Callable[[int], object]) -> None:
    due = time.monotonic()
    for _ in range(count):
        enqueue(time.monotonic_ns())
        due += INTERVAL
        time.sleep(max(0.0, due - time.monotonic()))


def _wait(directory: Path, count: int) -> list[float]:
    path = directory / _FILE
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        rows = path.read_text().splitlines() if path.exists() else []
        if len(rows) >= count:
            pairs = sorted(tuple(int(word) for word in row.split()) for row in rows)
            return [(began - sent) / 1e6 for sent, began in pairs]
        time.sleep(0.02)
    raise TimeoutError(f"{count} jobs did not start within {_DEADLINE} s")
