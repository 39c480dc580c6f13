"""Our part of the enqueue scenario."""

from __future__ import annotations

import time

from benchmarks.app import noop
from benchmarks.child import Measurement, Setup
from benchmarks.threads import by_threads

_CHUNK = 1000


def one_thread(setup: Setup) -> Measurement:
    """Calls per second of one thread, each returning after its own durable commit."""
    noop.enqueue(n=0)  # opens the store
    began = time.monotonic()
    for number in range(setup.size):
        noop.enqueue(n=number)
    return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def sixteen_threads(setup: Setup) -> Measurement:
    """Calls per second of 16 threads together; each call returns after a durable commit that it may share."""
    noop.enqueue(n=0)
    return {"jobs_per_s": by_threads(setup.size, lambda number: noop.enqueue(n=number))}


def many(setup: Setup) -> Measurement:
    """Jobs per second through ``enqueue_many`` with 1,000 at a time, one transaction each."""
    noop.enqueue(n=0)
    began = time.monotonic()
    for start in range(0, setup.size, _CHUNK):
        noop.enqueue_many([{"n": number} for number in range(start, min(start + _CHUNK, setup.size))])
    return {"jobs_per_s": setup.size / (time.monotonic() - began)}
