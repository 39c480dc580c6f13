"""Our part of the scenarios that ask what happens while a worker has nothing to do: the start of a job, and
the cost."""

from __future__ import annotations

from benchmarks import latency
from benchmarks.app import stamp
from benchmarks.child import Measurement, Setup
from benchmarks.idle import measure_idle
from benchmarks.ours.programs import workers


def start_latency(setup: Setup) -> Measurement:
    """Enqueue in this process, first line in a worker process that was idle before."""
    with workers(setup.directory, processes=1):
        return latency.measure(setup.directory, setup.size, lambda sent: stamp.enqueue(sent=sent))


def idle(setup: Setup) -> Measurement:
    """``holdfast worker`` with one worker process and an empty store."""
    with workers(setup.directory, processes=1) as worker:
        return measure_idle([worker.pid], setup.size)
