"""Fills a store with no-op jobs and times their end, for drain and growth."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.app import app, noop
from holdfast.core.records import JobRecord

_CHUNK = 1000
_LOOK_SECONDS = 0.05


def fill(count: int) -> list[str]:
    """Store so many no-op jobs, 1,000 per transaction, and return their ids in the order in which they wait."""
    ids: list[str] = []
    for start in range(0, count, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count))
        ids += [handle.id for handle in noop.enqueue_many([{"n": number} for number in numbers])]
    return ids


def wait_for_all(ids: Sequence[str], *, timeout: float) -> float:
    """Wait until all have succeeded; seconds from the first one's start to the last one's completion record
    in the store.

    While they run only one of them is looked at, every 50 ms: looking is not to slow down what is measured.
    RuntimeError when one ended otherwise, TimeoutError when they take too long.
    """
    deadline = time.monotonic() + timeout
    starts: list[int] = []
    ends: list[int] = []
    _wait(ids[-1:], deadline)  # the last in the queue is the best one to wait for
    for start in range(0, len(ids), _CHUNK):
        for record in _wait(ids[start : start + _CHUNK], deadline):
            if record.state != "succeeded" or record.started_at is None or record.finished_at is None:
                raise RuntimeError(f"{record.id} ended as {record.state}")
            starts.append(record.started_at)
            ends.append(record.finished_at)
    return (max(ends) - min(starts)) / 1e6


def _wait(ids: Sequence[str], deadline: float) -> list[JobRecord]:
    """The jobs, all of them ended."""
    store = app.open().store
    while True:
        found = store.jobs(ids)
        if len(found) == len(ids) and all(record.finished_at is not None for record in found):
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(ids)} jobs up to {ids[-1]} did not all end")
        time.sleep(_LOOK_SECONDS)
