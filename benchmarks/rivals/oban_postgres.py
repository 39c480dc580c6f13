"""Oban for Python on PostgreSQL, nearest to us in what it keeps: rows of finished jobs stay, with their times.

Through psycopg on uvloop, both of which its own command line uses. It has no history of changes.
"""
# Oban lives in its own environment.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportFunctionMemberAccess=false

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import uvloop
from oban import Oban, job
from oban.schema import install

from benchmarks import latency, tally
from benchmarks.child import DATABASE_URL, DIRECTORY, Measurement, Setup
from benchmarks.draining import TIDY, Completed, measure_drain, until_completed
from benchmarks.processes import running

_URL = os.environ[DATABASE_URL]
_DIRECTORY = Path(os.environ[DIRECTORY])
_WORKER = (sys.executable, "-m", "benchmarks.rivals.oban_postgres")
_LIMIT = 200
"""Jobs at once in a process, which is also the most that one fetch takes."""
_CHUNK = 1000
_DRAIN_SECONDS = 240

_tally = tally.Tally(_DIRECTORY)


@job()
def noop(n: int) -> None:
    """Do nothing but be counted."""
    _tally.call()


@job()
def stamp(sent: int) -> None:
    """Write when it was sent and when its first line ran."""
    latency.stamp(_DIRECTORY, sent)


def drain(setup: Setup) -> Measurement:
    """Jobs per second from the first job's first line to the last completion record, by two processes; the backlog is
    stored before they start."""
    uvloop.run(_as_client(lambda oban: _store(oban, setup.size)))
    with psycopg.connect(_URL, autocommit=True) as connection:
        for statement in TIDY:
            connection.execute(statement)
    with running(_WORKER, setup.directory, copies=2) as workers:

        def wait() -> float:
            return until_completed(setup.directory, setup.size, _completed, timeout=_DRAIN_SECONDS)

        return measure_drain(setup.size, [worker.pid for worker in workers], wait)


def enqueue(setup: Setup) -> Measurement:
    """Calls per second of one program, each returning after its own durable commit."""

    async def one_by_one(oban: Oban) -> float:
        began = time.monotonic()
        for number in range(setup.size):
            await oban.enqueue(noop.new(n=number))
        return setup.size / (time.monotonic() - began)

    return {"jobs_per_s": uvloop.run(_as_client(one_by_one))}


def enqueue_many(setup: Setup) -> Measurement:
    """Jobs per second with 1,000 in one call."""

    async def many(oban: Oban) -> float:
        began = time.monotonic()
        await _store(oban, setup.size)
        return setup.size / (time.monotonic() - began)

    return {"jobs_per_s": uvloop.run(_as_client(many))}


def start_latency(setup: Setup) -> Measurement:
    """Enqueue to first line; the worker is woken by NOTIFY."""

    async def prepare(oban: Oban) -> float:
        return 0.0

    uvloop.run(_as_client(prepare))
    with running(_WORKER, setup.directory), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pool = runner.run(Oban.create_pool(_URL))
        oban = runner.run(Oban(pool=pool).start())

        def send(sent: int) -> None:
            runner.run(oban.enqueue(stamp.new(sent=sent)))

        measurement = latency.measure(setup.directory, setup.size, send)
        runner.run(oban.stop())
        runner.run(pool.close())
    return measurement


async def _as_client(use: Callable[[Oban], Awaitable[float]]) -> float:
    pool = await Oban.create_pool(_URL)
    try:
        await install(pool)
        async with Oban(pool=pool) as oban:
            return await use(oban)
    finally:
        await pool.close()


async def _store(oban: Oban, count: int) -> float:
    for start in range(0, count, _CHUNK):
        await oban.enqueue_many(noop.new(n=number) for number in range(start, min(start + _CHUNK, count)))
    return 0.0


def _completed() -> Completed:
    with psycopg.connect(_URL) as connection:
        row = connection.execute(
            "SELECT count(*), extract(epoch FROM max(completed_at) AT TIME ZONE 'UTC')::float8 FROM oban_jobs"
            " WHERE state = 'completed'"
        ).fetchone()
    return (int(row[0]), float(row[1] or 0)) if row else (0, 0.0)


async def work() -> None:
    """One worker process, until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    pool = await Oban.create_pool(_URL)
    async with Oban(pool=pool, queues={"default": {"limit": _LIMIT}}):
        await stopped.wait()
    await pool.close()


if __name__ == "__main__":
    # workers find a job's function by its module's name, which must be the one under which it was enqueued
    from benchmarks.rivals import oban_postgres

    uvloop.run(oban_postgres.work())
