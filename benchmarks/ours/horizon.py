"""Our part of the scenario in which a foreign transaction stays open, so that PostgreSQL may remove no dead row.

The claim alone has no public name, so this measurement calls the gateway, as a worker process does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from benchmarks.app import app, noop
from benchmarks.child import Measurement, Setup
from benchmarks.ours import postgres
from benchmarks.ours.programs import workers
from benchmarks.summary import percentile
from holdfast.core.job import Claimed, ClaimRequest, WorkerRow
from holdfast.core.outcome import Settlement
from holdfast.core.states import Verb
from holdfast.storage.writes import Claim, RegisterWorker, Settle

_JOBS_PER_SECOND = 400
_ROUNDS_PER_SECOND = 20
_MOST = 100
_WORKER = WorkerRow(
    id="benchmark", host="benchmark", pid=0, version="0", queues=(), types=("noop",), slots=_MOST
)


def claims(setup: Setup) -> Measurement:
    """Milliseconds of a claim with its commit, for `size` seconds of 400 jobs a second, claimed and completed every 50 ms;
    with `argument` "open" while a REPEATABLE READ transaction that has read and has an id of its own stays open.

    A real worker with a queue of its own runs beside it, so that maintenance is done as always.
    """
    noop.enqueue_many([{"n": number} for number in range(_MOST)])
    gateway = app.open().gateway
    gateway.run(RegisterWorker(_WORKER, lease=24 * 3600))
    request = ClaimRequest(worker=_WORKER.id, limit=_MOST, types=frozenset({"noop"}))
    times: list[float] = []
    done = 0
    with (
        workers(setup.directory, processes=1, queues="elsewhere"),
        _held_open(setup.argument == "open"),
        _feeding(),
    ):
        due = time.monotonic()
        end = due + setup.size
        while due < end:
            began = time.perf_counter()
            claimed: list[Claimed] = gateway.run(Claim(request))
            times.append((time.perf_counter() - began) * 1000)
            gateway.run(Settle([Settlement(job.seq, job.token, Verb.SUCCEED) for job in claimed]))
            done += len(claimed)
            due += 1 / _ROUNDS_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
    app.close()
    last = times[-len(times) // 4 :]
    return {
        "p50_ms": percentile(times, 50),
        "p99_ms": percentile(times, 99),
        "max_ms": max(times),
        "last_p99_ms": percentile(last, 99),
        "jobs_per_s": done / setup.size,
    }


@contextmanager
def _held_open(wanted: bool) -> Generator[None]:
    if not wanted:
        yield
        return
    with postgres.connection() as database:
        database.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with database.transaction():
            database.execute("SELECT count(*) FROM pg_class")
            database.execute("SELECT txid_current()")
            yield
            # still there: a server that had ended it would have made the measurement mean nothing
            database.execute("SELECT 1")


@contextmanager
def _feeding() -> Generator[None]:
    ended = threading.Event()
    errors: list[BaseException] = []

    def feed() -> None:
        try:
            due = time.monotonic()
            while not ended.is_set():
                noop.enqueue_many([{"n": 0}] * (_JOBS_PER_SECOND // _ROUNDS_PER_SECOND))
                due += 1 / _ROUNDS_PER_SECOND
                ended.wait(max(0.0, due - time.monotonic()))
        except BaseException as error:  # handed to the caller below
            errors.append(error)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if errors:
        raise errors[0]
