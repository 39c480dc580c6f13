"""Our part of the drain scenario, and of the one that asks whether a long backlog slows it down."""

from __future__ import annotations

from benchmarks.app import app
from benchmarks.child import Measurement, Setup
from benchmarks.ours.backlog import fill, wait_for_all
from benchmarks.ours.programs import workers
from benchmarks.proc import Watch

_SECONDS = 240
_CONCURRENCY = 250
"""The best of 100, 250 and 500 for jobs that do nothing, as every rival has its own best setting; the default is 100."""


def two_processes(setup: Setup) -> Measurement:
    """The backlog is stored before two worker processes start; states, history rows and results are written
    as always."""
    return _drain(setup, processes=2)


def one_process(setup: Setup) -> Measurement:
    """The same with one worker process."""
    return _drain(setup, processes=1)


def _drain(setup: Setup, *, processes: int) -> Measurement:
    handles = fill(setup.size)
    with (
        workers(setup.directory, processes=processes, concurrency=_CONCURRENCY) as worker,
        Watch(worker.pid) as watch,
    ):
        seconds = wait_for_all(handles, timeout=_SECONDS)
    app.close()
    stored = sum(path.stat().st_size for path in setup.directory.glob("holdfast.db*"))
    return {
        "jobs_per_s": setup.size / seconds,
        "cpu_us_per_job": 1e6 * watch.cpu_seconds / setup.size,
        "peak_rss_mb": watch.peak_rss_mb,
        "bytes_per_job": stored / setup.size,
    }
