"""Fills a store with no-op jobs and times their end; exists so that drain and growth measure in the same
way."""

from __future__ import annotations

import time

from benchmarks.app import noop
from holdfast import JobHandle

_CHUNK = 1000
_LOOK_SECONDS = 0.05


def fill(count: int) -> list[JobHandle]:
    """Store so many no-op jobs, 1,000 per transaction, and return their handles in the order in which they
    wait."""
    handles: list[JobHandle] = []
    for start in range(0, count, _CHUNK):
        handles += noop.enqueue_many([{"n": number} for number in range(start, min(start + _CHUNK, count))])
    return handles


def wait_for_all(handles: list[JobHandle], *, timeout: float) -> float:
    """Wait until all have succeeded; seconds from the first one's start to the last one's completion record
    in the store.

    While they run only one of them is looked at, every 50 ms: looking is not to slow down what is measured.
    RuntimeError when one ended otherwise, TimeoutError when they take too long.
    """
    deadline = time.monotonic() + timeout
    starts: list[float] = []
    ends: list[float] = []
    for handle in reversed(handles):  # the last in the queue is the best one to wait for
        while (view := handle.refresh().view).finished_at is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{handle.id} is {view.state} after {timeout} s")
            time.sleep(_LOOK_SECONDS)
        if view.state != "succeeded" or view.started_at is None:
            raise RuntimeError(f"{handle.id} ended as {view.state}")
        starts.append(view.started_at.timestamp())
        ends.append(view.finished_at.timestamp())
    return max(ends) - min(starts)
