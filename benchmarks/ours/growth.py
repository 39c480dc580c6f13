"""Our part of the scenarios that ask whether a long backlog, or many finished jobs, slow the claims and the drain.

The claim alone has no public name, so this one measurement calls the store's verb, as a worker process does.
"""

from __future__ import annotations

import time

from benchmarks.app import app
from benchmarks.child import Measurement, Setup
from benchmarks.ours import cloning, postgres
from benchmarks.ours.backlog import fill, wait_for_all
from benchmarks.ours.programs import workers
from holdfast.core.job import ClaimRequest, WorkerRow
from holdfast.storage.sqlite.store import SqliteStore
from holdfast.storage.writes import AggregateEvents

_BATCH = 100
_CLAIMS = 100
_DRAINED = 20_000
_DRAINED_OF_PREPARED = 50_000
"""As in the drain scenario: of 20,000 the first second, in which the caches of the server fill, is most."""

_FINISHED_PER_WAITING = 5
_CONCURRENCY = 250
_SECONDS = 240
_PORTION = 250_000
"""Events summed in one transaction."""

_IDS = "ids-of-the-first"
_WORKER = WorkerRow(
    id="benchmark", host="benchmark", pid=0, version="0", queues=(), types=("noop",), slots=_BATCH
)


def claims(setup: Setup) -> Measurement:
    """Jobs claimed per second, 100 in each durable transaction, while `argument` jobs wait before each claim.

    Only the claiming transactions are timed. After each one 100 new jobs are stored, so the number stays.
    """
    fill(_waiting(setup))
    app.close()
    store = SqliteStore(setup.directory / "holdfast.db")
    store.open()
    with store.transaction():
        store.register_worker(_WORKER, lease=3600)
    request = ClaimRequest(worker=_WORKER.id, limit=_BATCH, types=frozenset({"noop"}))
    spent = 0.0
    for _ in range(_CLAIMS):
        began = time.perf_counter()
        with store.transaction():
            claimed = store.claim(request)
        spent += time.perf_counter() - began
        if len(claimed) != _BATCH:
            raise RuntimeError(f"{len(claimed)} jobs claimed instead of {_BATCH}")
        fill(_BATCH)
    store.close()
    return {"claims_per_s": _CLAIMS * _BATCH / spent}


def drain_of_the_first(setup: Setup) -> Measurement:
    """The rate of the first 20,000 of a backlog, by one worker process; `argument` jobs wait behind them."""
    ids = fill(_DRAINED)
    fill(_waiting(setup))
    with workers(setup.directory, processes=1):
        return {"jobs_per_s": _DRAINED / wait_for_all(ids, timeout=_SECONDS)}


def _waiting(setup: Setup) -> int:
    """`argument` is "few" for 1,000 jobs or "many" for as many as the scenario's size."""
    return setup.size if setup.argument == "many" else 1_000


def prepare(setup: Setup) -> Measurement:
    """A PostgreSQL with 50,000 jobs that come first, `size` that wait behind them and five times as many finished ones,
    each with its history."""
    first = fill(1)
    with workers(setup.directory, processes=1):
        wait_for_all(first, timeout=_SECONDS)
    cloning.multiply(first[0], _FINISHED_PER_WAITING * setup.size)
    ids = fill(_DRAINED_OF_PREPARED)
    cloning.multiply(ids[-1], setup.size)
    while app.open().gateway.run(AggregateEvents(_PORTION)):
        pass  # as a scheduler has long done with events that were not made a moment ago
    app.close()
    (setup.directory / _IDS).write_text("\n".join(ids))
    postgres.tidy()
    return {}


def drain_of_the_prepared(setup: Setup) -> Measurement:
    """The rate of the first 50,000 of what has been prepared, by two worker processes, on a copy of it."""
    ids = (setup.prepared / _IDS).read_text().split()
    return _drain_with_two(setup, ids)


def drain_alone(setup: Setup) -> Measurement:
    """The same 50,000 with nothing behind them, on a store that was empty before."""
    ids = fill(_DRAINED_OF_PREPARED)
    postgres.tidy()
    return _drain_with_two(setup, ids)


def _drain_with_two(setup: Setup, ids: list[str]) -> Measurement:
    with workers(setup.directory, processes=2, concurrency=_CONCURRENCY):
        return {"jobs_per_s": len(ids) / wait_for_all(ids, timeout=_SECONDS)}
