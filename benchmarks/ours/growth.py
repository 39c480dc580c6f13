"""Our part of the scenario that asks whether a long backlog slows the claims.

The claim alone has no public name, so this one measurement calls the store's verb, as a worker process does.
"""

from __future__ import annotations

import time

from benchmarks.app import app
from benchmarks.child import Measurement, Setup
from benchmarks.ours.backlog import fill, wait_for_all
from benchmarks.ours.programs import workers
from holdfast.core.job import ClaimRequest, WorkerRow
from holdfast.storage.sqlite.store import SqliteStore

_BATCH = 100
_CLAIMS = 100
_DRAINED = 20_000
_SECONDS = 240
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
    handles = fill(_DRAINED)
    fill(_waiting(setup))
    with workers(setup.directory, processes=1):
        return {"jobs_per_s": _DRAINED / wait_for_all(handles, timeout=_SECONDS)}


def _waiting(setup: Setup) -> int:
    """`argument` is "few" for 1,000 jobs or "many" for as many as the scenario's size."""
    return setup.size if setup.argument == "many" else 1_000
