"""Huey on SQLite, the fastest embedded rival; measured with the settings that were best for it of those
tried.

It keeps less than we do: a job is deleted when a worker takes it (at most once), there is no history and no
state to look at; the result of None is not stored. Commits are durable (SQLite's default synchronous=FULL in
WAL mode).
"""
# Huey lives in its own environment and has no types.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from huey import SqliteHuey

from benchmarks import latency, tally
from benchmarks.child import DIRECTORY, Measurement, Setup
from benchmarks.idle import measure_idle
from benchmarks.proc import Watch
from benchmarks.processes import running
from benchmarks.threads import by_threads

_DIRECTORY = Path(os.environ[DIRECTORY])
_CONSUMER = (
    str(Path(sys.executable).parent / "huey_consumer"),
    "benchmarks.rivals.huey_sqlite.huey",
    "--quiet",
    "--no-periodic",
    # One is faster than 2 threads, 2 processes or 2 consumers: those wait for each other's exclusive
    # transactions.
    "--workers=1",
)
_POLL = ("--delay=0.005", "--max-delay=0.005")
_DRAIN_SECONDS = 240

huey = SqliteHuey("benchmark", filename=str(_DIRECTORY / "huey.db"))
_tally = tally.Tally(_DIRECTORY)


@huey.task()
def noop(n: int) -> None:
    """Do nothing but be counted."""
    _tally.call()


@huey.task()
def stamp(sent: int) -> None:
    """Write when it was sent and when its first line ran."""
    latency.stamp(_DIRECTORY, sent)


def drain(setup: Setup) -> Measurement:
    """Jobs per second from the first job's first line to the last job's; the backlog is stored before the
    consumer starts."""
    for number in range(setup.size):
        noop(number)
    with running(_CONSUMER, setup.directory) as consumers, Watch(consumers[0].pid) as watch:
        seconds = tally.wait_for(setup.directory, setup.size, timeout=_DRAIN_SECONDS)
    return {
        "jobs_per_s": setup.size / seconds,
        "cpu_us_per_job": 1e6 * watch.cpu_seconds / setup.size,
        "peak_rss_mb": watch.peak_rss_mb,
    }


def enqueue(setup: Setup) -> Measurement:
    """Calls per second of one thread, each returning after its own durable commit."""
    began = time.monotonic()
    for number in range(setup.size):
        noop(number)
    return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def enqueue_by_threads(setup: Setup) -> Measurement:
    """Calls per second of 16 threads together."""
    return {"jobs_per_s": by_threads(setup.size, noop)}


def start_latency(setup: Setup) -> Measurement:
    """Enqueue to first line, the consumer polling every 5 ms: its default of 100 ms growing to 10 s would be
    no contest."""
    with running((*_CONSUMER, *_POLL), setup.directory):
        return latency.measure(setup.directory, setup.size, stamp)


def idle(setup: Setup) -> Measurement:
    """The same consumer, polling every 5 ms, with nothing to do."""
    with running((*_CONSUMER, *_POLL), setup.directory) as consumers:
        return measure_idle([consumer.pid for consumer in consumers], setup.size)
