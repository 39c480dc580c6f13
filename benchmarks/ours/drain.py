"""Our part of the drain scenarios, on every kind of store."""

from __future__ import annotations

from benchmarks.app import app
from benchmarks.child import Measurement, Setup
from benchmarks.draining import measure_drain
from benchmarks.ours import postgres
from benchmarks.ours.backlog import fill, wait_for_all
from benchmarks.ours.programs import workers

_SECONDS = 240
_CONCURRENCY = 500
"""The best of 100, 250 and 500 for jobs that do nothing, as every rival has its own best setting; the default is 100."""


def by_processes(setup: Setup) -> Measurement:
    """The backlog is stored before `argument` worker processes start; states, history rows and results are
    written as always."""
    ids = fill(setup.size)
    postgres.tidy()
    return _drain(setup, ids)


def as_filled(setup: Setup) -> Measurement:
    """The same on a server that knows nothing of its tables yet: autovacuum comes when it comes."""
    return _drain(setup, fill(setup.size))


def _drain(setup: Setup, ids: list[str]) -> Measurement:
    with workers(setup.directory, processes=int(setup.argument), concurrency=_CONCURRENCY) as worker:
        measurement = measure_drain(len(ids), [worker.pid], lambda: wait_for_all(ids, timeout=_SECONDS))
    app.close()
    if postgres.on_postgres():
        measurement["bytes_per_job"] = postgres.stored_bytes() / len(ids)
    elif files := list(setup.directory.glob("holdfast.db*")):
        measurement["bytes_per_job"] = sum(path.stat().st_size for path in files) / len(ids)
    return measurement
