"""Claims while the server cannot clear away what was claimed before: they begin where the last one found something."""

from __future__ import annotations

import pytest

from holdfast.core.job import ClaimRequest
from holdfast.core.outcome import Settlement
from holdfast.core.states import Verb
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.mysql import claim as claiming
from holdfast.testing import new_job
from holdfast.testing.factories import TYPE, worker_row


class Worker:
    def __init__(self, store: MysqlStore) -> None:
        self.store = store
        with store.transaction():
            store.register_worker(worker_row("w"), lease=60.0)

    def add(self) -> str:
        with self.store.transaction():
            return self.store.insert([new_job()])[0].id

    def claim(self) -> str | None:
        with self.store.transaction():
            claimed = self.store.claim(ClaimRequest("w", 1, frozenset({TYPE})))
        return claimed[0].id if claimed else None

    def release(self, job_id: str) -> None:
        job = self.store.job(job_id)
        assert job is not None
        with self.store.transaction():
            self.store.settle([Settlement(job.seq, job.token, Verb.RELEASE)])


@pytest.fixture
def worker(store: MysqlStore, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(claiming, "SLOW", -1.0)  # every look took too long
    monkeypatch.setattr(claiming, "SLOW_LOOKS", 1)
    return Worker(store)


def test_a_slow_look_is_not_begun_anew_by_each_claim(worker: Worker) -> None:
    old, middle, young = worker.add(), worker.add(), worker.add()
    assert [worker.claim(), worker.claim()] == [old, middle]
    worker.release(old)
    assert worker.claim() == young
    assert worker.claim() == old  # nothing was left behind the mark
    assert worker.claim() is None


def test_what_is_older_waits_for_a_second_only(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "FLOOR_SECONDS", 0.0)
    old, middle, _young = worker.add(), worker.add(), worker.add()
    assert [worker.claim(), worker.claim()] == [old, middle]
    worker.release(old)
    assert worker.claim() == old
