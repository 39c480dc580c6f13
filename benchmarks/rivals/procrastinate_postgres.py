"""Procrastinate on PostgreSQL, the best known there; it keeps finished jobs and a row for each change, as we do.

Through psycopg on uvloop, with concurrency 100.
"""
# Procrastinate lives in its own environment.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportFunctionMemberAccess=false

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import psycopg
import uvloop
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from benchmarks import latency, tally
from benchmarks.child import DATABASE_URL, DIRECTORY, Measurement, Setup
from benchmarks.draining import TIDY, Completed, measure_drain, until_completed
from benchmarks.processes import running

_URL = os.environ[DATABASE_URL]
_DIRECTORY = Path(os.environ[DIRECTORY])
_WORKER = (sys.executable, "-m", "benchmarks.rivals.procrastinate_postgres")
_CONCURRENCY = 100
_CHUNK = 1000
_DRAIN_SECONDS = 240

app = App(
    connector=PsycopgConnector(conninfo=_URL),
    import_paths=["benchmarks.rivals.procrastinate_postgres"],
)
_tally = tally.Tally(_DIRECTORY)


@app.task(name="noop")
async def noop(n: int) -> None:
    """Do nothing but be counted."""
    _tally.call()


@app.task(name="stamp")
async def stamp(sent: int) -> None:
    """Write when it was sent and when its first line ran."""
    latency.stamp(_DIRECTORY, sent)


def drain(setup: Setup) -> Measurement:
    """Jobs per second from the first job's first line to the last completion record, by two processes; the backlog is
    stored before they start. It is a fifth of the others', which would take minutes."""
    count = setup.size // 5
    _install()
    with app.replace_connector(SyncPsycopgConnector(conninfo=_URL)) as client, client.open():
        _store(count)
    with psycopg.connect(_URL, autocommit=True) as connection:
        for statement in TIDY:
            connection.execute(statement)
    with running(_WORKER, setup.directory, copies=2) as workers:

        def wait() -> float:
            return until_completed(setup.directory, count, _completed, timeout=_DRAIN_SECONDS)

        return measure_drain(count, [worker.pid for worker in workers], wait)


def enqueue(setup: Setup) -> Measurement:
    """Calls per second of one program, each returning after its own durable commit."""
    _install()
    with app.replace_connector(SyncPsycopgConnector(conninfo=_URL)) as client, client.open():
        began = time.monotonic()
        for number in range(setup.size):
            noop.defer(n=number)
        return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def enqueue_many(setup: Setup) -> Measurement:
    """Jobs per second with 1,000 in one call."""
    _install()
    with app.replace_connector(SyncPsycopgConnector(conninfo=_URL)) as client, client.open():
        began = time.monotonic()
        _store(setup.size)
        return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def start_latency(setup: Setup) -> Measurement:
    """Enqueue to first line; the worker is woken by NOTIFY."""
    _install()
    with (
        app.replace_connector(SyncPsycopgConnector(conninfo=_URL)) as client,
        client.open(),
        running(_WORKER, setup.directory),
    ):
        return latency.measure(setup.directory, setup.size, lambda sent: stamp.defer(sent=sent))


def _install() -> None:
    with app.replace_connector(SyncPsycopgConnector(conninfo=_URL)) as client, client.open():
        client.schema_manager.apply_schema()


def _store(count: int) -> None:
    for start in range(0, count, _CHUNK):
        noop.batch_defer(*({"n": number} for number in range(start, min(start + _CHUNK, count))))


def _completed() -> Completed:
    with psycopg.connect(_URL) as connection:
        row = connection.execute(
            "SELECT count(*), extract(epoch FROM max(at))::float8 FROM procrastinate_events WHERE type = 'succeeded'"
        ).fetchone()
    return (int(row[0]), float(row[1] or 0)) if row else (0, 0.0)


async def work() -> None:
    """One worker process."""
    async with app.open_async():
        await app.run_worker_async(concurrency=_CONCURRENCY)


if __name__ == "__main__":
    logging.disable(logging.INFO)
    uvloop.run(work())
