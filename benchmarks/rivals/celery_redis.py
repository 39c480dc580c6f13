"""Celery on Redis, the most used rival; two solo workers, the fastest of those tried (the prefork pool is
slower for tiny jobs).

It keeps less than we do: acknowledged before it runs (at most once), results ignored, no history. What Redis
makes durable is decided by that server's own configuration, which is left alone.
"""
# Celery lives in its own environment and has no types.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false
# pyright: reportFunctionMemberAccess=false

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery
from redis import Redis

from benchmarks import latency, tally
from benchmarks.child import DIRECTORY, Measurement, Setup
from benchmarks.idle import measure_idle
from benchmarks.proc import Watch
from benchmarks.processes import running
from benchmarks.rivals.redis_server import HOST, PORT
from benchmarks.threads import by_threads

_DIRECTORY = Path(os.environ[DIRECTORY])
_DATABASE = "BENCHMARK_REDIS_DATABASE"
_WORKER = (
    str(Path(sys.executable).parent / "celery"),
    "--app=benchmarks.rivals.celery_redis:app",
    "--quiet",
    "worker",
    "--pool=solo",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
    "--loglevel=ERROR",
)
_PROCESSES = 2
_DRAIN_SECONDS = 240

app = Celery("benchmark", broker=f"redis://{HOST}:{PORT}/{os.environ.get(_DATABASE, '15')}")
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=100,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)
_tally = tally.Tally(_DIRECTORY)


@app.task
def noop(n: int) -> None:
    """Do nothing but be counted."""
    _tally.call()


@app.task
def stamp(sent: int) -> None:
    """Write when it was sent and when its first line ran."""
    latency.stamp(_DIRECTORY, sent)


def drain(setup: Setup) -> Measurement:
    """Jobs per second from the first job's first line to the last job's; the backlog is stored before the
    workers start."""
    with _own_database():
        for number in range(setup.size):
            noop.delay(number)
        with (
            running(_WORKER, setup.directory, copies=_PROCESSES) as workers,
            Watch(*(worker.pid for worker in workers)) as watch,
        ):
            seconds = tally.wait_for(setup.directory, setup.size, timeout=_DRAIN_SECONDS)
    return {
        "jobs_per_s": setup.size / seconds,
        "cpu_us_per_job": 1e6 * watch.cpu_seconds / setup.size,
        "peak_rss_mb": watch.peak_rss_mb,
    }


def enqueue(setup: Setup) -> Measurement:
    """Calls per second of one thread."""
    with _own_database():
        began = time.monotonic()
        for number in range(setup.size):
            noop.delay(number)
        return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def enqueue_by_threads(setup: Setup) -> Measurement:
    """Calls per second of 16 threads together."""
    with _own_database():
        return {"jobs_per_s": by_threads(setup.size, noop.delay)}


def start_latency(setup: Setup) -> Measurement:
    """Enqueue to first line; the worker waits in a blocking read, so there is no polling interval to
    choose."""
    with _own_database(), running(_WORKER, setup.directory):
        return latency.measure(setup.directory, setup.size, stamp.delay)


def idle(setup: Setup) -> Measurement:
    """One worker with nothing to do; the Redis server is not counted."""
    with _own_database(), running(_WORKER, setup.directory) as workers:
        return measure_idle([worker.pid for worker in workers], setup.size)


@contextmanager
def _own_database() -> Generator[None]:
    """Use an empty database of the server, for the workers too, and leave it empty. LookupError when there is
    none."""
    for number in range(15, 0, -1):
        redis = Redis(host=HOST, port=PORT, db=number)
        if redis.dbsize() == 0:
            break
    else:
        raise LookupError("no Redis database between 1 and 15 is empty")
    os.environ[_DATABASE] = str(number)
    app.conf.broker_url = f"redis://{HOST}:{PORT}/{number}"
    try:
        yield
    finally:
        redis.flushdb()
        redis.close()
