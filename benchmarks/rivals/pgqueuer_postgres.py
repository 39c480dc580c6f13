"""PgQueuer on PostgreSQL, the fastest rival there; through asyncpg on uvloop, with its own autovacuum settings.

It keeps less than we do: a finished job is deleted and one row of its log remains; there is no result, and arguments are
bytes. Its tables are durable (its default).
"""
# PgQueuer lives in its own environment.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false, reportUnknownParameterType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks import latency, tally
from benchmarks.child import DATABASE_URL, DIRECTORY, Measurement, Setup
from benchmarks.draining import TIDY, Completed, measure_drain, until_completed
from benchmarks.processes import running

_URL = os.environ[DATABASE_URL]
_DIRECTORY = Path(os.environ[DIRECTORY])
_WORKER = (sys.executable, "-m", "benchmarks.rivals.pgqueuer_postgres")
_BATCH = 100
_CHUNK = 1000
_DRAIN_SECONDS = 240

_tally = tally.Tally(_DIRECTORY)


async def noop(job: Job) -> None:
    """Do nothing but be counted."""
    _tally.call()


async def stamp(job: Job) -> None:
    """Write when it was sent and when its first line ran."""
    latency.stamp(_DIRECTORY, int(job.payload or b"0"))


def drain(setup: Setup) -> Measurement:
    """Jobs per second from the first job's first line to the last row of its log, by `argument` processes with batches of
    100; the backlog is stored before they start."""
    return _drain(setup, TIDY)


def drain_as_filled(setup: Setup) -> Measurement:
    """The same on a server that knows nothing of its tables yet: autovacuum comes when it comes."""
    return _drain(setup, ())


def _drain(setup: Setup, before: Sequence[str]) -> Measurement:
    async def fill(queries: Queries) -> float:
        await _store(queries, setup.size)
        for statement in before:
            await queries.driver.execute(statement)
        return 0.0

    uvloop.run(_with_queries(fill))
    with running(_WORKER, setup.directory, copies=int(setup.argument)) as workers:

        def wait() -> float:
            return until_completed(setup.directory, setup.size, _completed, timeout=_DRAIN_SECONDS)

        return measure_drain(setup.size, [worker.pid for worker in workers], wait)


def enqueue(setup: Setup) -> Measurement:
    """Calls per second of one program, each returning after its own durable commit."""

    async def one_by_one(queries: Queries) -> float:
        began = time.monotonic()
        for number in range(setup.size):
            await queries.enqueue("noop", b'{"n":%d}' % number)
        return setup.size / (time.monotonic() - began)

    return {"jobs_per_s": uvloop.run(_with_queries(one_by_one))}


def enqueue_many(setup: Setup) -> Measurement:
    """Jobs per second with 1,000 in one call."""

    async def many(queries: Queries) -> float:
        began = time.monotonic()
        await _store(queries, setup.size)
        return setup.size / (time.monotonic() - began)

    return {"jobs_per_s": uvloop.run(_with_queries(many))}


def start_latency(setup: Setup) -> Measurement:
    """Enqueue to first line; the worker is woken by NOTIFY."""

    async def prepare(queries: Queries) -> float:
        return 0.0

    uvloop.run(_with_queries(prepare))
    with running(_WORKER, setup.directory), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        connection = runner.run(asyncpg.connect(_URL))
        queries = Queries.from_asyncpg_connection(connection)

        def send(sent: int) -> None:
            runner.run(queries.enqueue("stamp", b"%d" % sent))

        measurement = latency.measure(setup.directory, setup.size, send)
        runner.run(connection.close())
    return measurement


async def _with_queries(use: Callable[[Queries], Awaitable[float]]) -> float:
    connection = await asyncpg.connect(_URL)
    try:
        queries = Queries.from_asyncpg_connection(connection)
        await queries.install()
        await queries.optimize_autovacuum()
        return await use(queries)
    finally:
        await connection.close()


async def _store(queries: Queries, count: int) -> float:
    for start in range(0, count, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count))
        names = ["noop"] * len(numbers)
        await queries.enqueue(names, [b'{"n":%d}' % number for number in numbers], [0] * len(numbers))
    return 0.0


def _completed() -> Completed:
    async def look() -> Completed:
        connection = await asyncpg.connect(_URL)
        try:
            row = await connection.fetchrow(
                "SELECT count(*), extract(epoch FROM max(created))::float8 FROM pgqueuer_log WHERE status = 'successful'"
            )
            return int(row[0]), float(row[1] or 0)
        finally:
            await connection.close()

    return uvloop.run(look())


async def work() -> None:
    """One worker process."""
    connection = await asyncpg.connect(_URL)
    worker = PgQueuer.from_asyncpg_connection(connection)
    worker.entrypoint("noop")(noop)
    worker.entrypoint("stamp")(stamp)
    await worker.run(batch_size=_BATCH, dequeue_timeout=timedelta(seconds=30))


if __name__ == "__main__":
    uvloop.run(work())
