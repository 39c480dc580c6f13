"""What a worker process is told of its settlements."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import ClaimRequest
from holdfast.core.outcome import Settlement
from holdfast.core.retention import Retention
from holdfast.core.states import Verb
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.factories import TYPE, new_job, worker_row
from holdfast.worker.fetcher import Fetcher, Pool
from holdfast.worker.verdict import Judge


JUDGE = Judge(Retention(failed=60.0), lambda: 0, lambda: 0.0)


class Unsure(SqliteStore):
    """A store whose next commit is done, but whose answer does not arrive."""

    silent = False

    @contextmanager
    def transaction(self, *, sealed: bool = False) -> Generator[None]:
        with super().transaction(sealed=sealed):
            yield
        if self.silent:
            self.silent = False
            raise StorageUnavailable("The connection was lost while it was stored.")


async def settle(store: Unsure, gateway: Gateway, *, before: bool) -> Fetcher:
    """Claim a job and settle it through a fetcher; `before`: it has been settled by somebody else."""
    (job,) = gateway.call("claim", ClaimRequest("w", 1, frozenset({TYPE}), ()))
    end = Settlement(seq=job.seq, token=job.token, verb=Verb.SUCCEED, result="null")
    if before:
        gateway.call("settle", [end])
    pool = Pool(frozenset({TYPE}), slots=1, busy=1, hungry=False)
    fetcher = Fetcher(gateway, "w", {"loop": pool}, (), 1, JUDGE.unstorable)
    fetcher.stop_claiming()
    store.silent = not before
    running = asyncio.create_task(fetcher.run(lambda _: None))
    fetcher.settle(job, end)
    async with asyncio.timeout(20):
        while not fetcher.idle or running.done() or store.silent:
            await asyncio.sleep(0.01)
    running.cancel()
    return fetcher


@pytest.fixture
def store(tmp_path: Path) -> Generator[Unsure]:
    made = Unsure(tmp_path / "jobs.db")
    made.open()
    with made.transaction():
        made.register_worker(worker_row("w"), lease=60)
        made.insert([new_job(id="one")])
    yield made
    made.close()


@pytest.mark.parametrize(("before", "lost"), [(False, 0), (True, 1)])
def test_only_a_result_that_was_refused_at_first_is_lost(store: Unsure, before: bool, lost: int) -> None:
    gateway = Gateway(store, lambda _: None)
    fetcher = asyncio.run(settle(store, gateway, before=before))
    gateway.close()
    assert fetcher.lost == lost
    record = store.job("one")
    assert record is not None
    assert record.state == "succeeded"
    assert [row.state for row in store.history("one")].count("succeeded") == 1
