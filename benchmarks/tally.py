"""Counts a rival's job calls from inside its workers; exists because rivals keep no record of when a job
started or ended.

A call costs one clock reading and a counter, so the job stays a no-op. Standard library only.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path

_WRITE_SECONDS = 0.05


class Tally:
    """First call, last call and number of calls in this process, written to its own file every 50 ms."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._calls = itertools.count(1)
        self._count = 0
        self._first = 0
        self._last = 0
        self._starting = threading.Lock()

    def call(self) -> None:
        """Note one call now. The first one starts the thread that writes the file, so it is safe after a
        fork."""
        if self._first == 0:
            self._start()
        self._last = time.monotonic_ns()
        self._count = next(self._calls)

    def _start(self) -> None:
        with self._starting:
            if self._first == 0:
                self._first = time.monotonic_ns()
                threading.Thread(target=self._write_forever, daemon=True).start()

    def _write_forever(self) -> None:
        path = self._directory / f"{os.getpid()}.tally"
        draft = path.with_suffix(".draft")
        while True:
            draft.write_text(f"{self._first} {self._last} {self._count}")
            draft.replace(path)
            time.sleep(_WRITE_SECONDS)


def first_call(directory: Path) -> float:
    """When the first call of all processes was, in seconds of the monotonic clock."""
    return min(int(path.read_text().split()[0]) for path in directory.glob("*.tally")) / 1e9


def wait_for(directory: Path, count: int, *, timeout: float) -> float:
    """Seconds from the first call to the last of `count` calls in all processes. TimeoutError when they do
    not come."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        rows = [tuple(int(word) for word in path.read_text().split()) for path in directory.glob("*.tally")]
        if sum(row[2] for row in rows) >= count:
            # the last clock readings are written after the last count at the latest
            time.sleep(2 * _WRITE_SECONDS)
            rows = [
                tuple(int(word) for word in path.read_text().split()) for path in directory.glob("*.tally")
            ]
            return (max(row[1] for row in rows) - min(row[0] for row in rows)) / 1e9
        time.sleep(_WRITE_SECONDS)
    raise TimeoutError(f"{count} calls were not counted within {timeout} s")
