"""The queue of waiting calls: timeouts, withdrawal, closing, and a fork. What every store must add is in the kit."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.core.job import NewJob
from holdfast.core.outcome import Report
from holdfast.storage import aside
from holdfast.storage import gateway as module
from holdfast.storage.errors import Contended
from holdfast.storage.gateway import MAX_BATCH, Gateway
from holdfast.storage.pending import PendingWrite
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.topics import Topic
from holdfast.storage.writes import Insert, StoreReports
from holdfast.testing import new_job
from holdfast.testing.call_write import CallWrite


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "holdfast.db")
    store.open()
    yield store
    store.close()


@pytest.fixture
def gateway(store: SqliteStore) -> Iterator[Gateway]:
    gateway = Gateway(store, lambda topics: None)
    yield gateway
    gateway.close()


def test_a_call_that_is_withdrawn_is_not_run_later(
    store: SqliteStore, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    job, later = new_job(), new_job()
    assert gateway._write_lock.acquire(timeout=1)  # a transaction that does not end
    with pytest.raises(StorageUnavailable, match="Nothing was stored"):
        gateway.run(Insert([job]))
    gateway._write_lock.release()
    assert gateway.run(Insert([later])) == [(later.id, True)]
    assert store.job(job.id) is None


def test_more_calls_than_fit_in_one_transaction(store: SqliteStore, gateway: Gateway) -> None:
    number = MAX_BATCH * 2 + 7
    with gateway._write_lock:
        futures = [gateway.submit(Insert([new_job()])) for _ in range(number)]
    assert all(future.result(30)[0].created for future in futures)
    assert store.states()["enqueued"] == number


def test_an_interrupted_writer_leaves_no_call_waiting(store: SqliteStore, gateway: Gateway) -> None:
    """Ctrl-C meets one thread in the middle of a transaction shared by all."""
    mine, theirs = new_job(), new_job()

    def interrupt() -> None:
        raise KeyboardInterrupt

    waiting = threading.Thread(target=lambda: results.append(_outcome(gateway, theirs)))
    results: list[object] = []
    with gateway._write_lock:
        waiting.start()
        while not gateway._waiting:
            pass
        gateway._waiting.append(PendingWrite(CallWrite(interrupt), None))
        with pytest.raises(KeyboardInterrupt):
            gateway._run_waiting()
    waiting.join(20)
    assert [type(result) for result in results] == [StorageUnavailable]
    assert store.job(theirs.id) is None
    assert gateway.run(Insert([mine])) == [(mine.id, True)]


def _outcome(gateway: Gateway, job: NewJob) -> object:
    try:
        return gateway.run(Insert([job]))
    except StorageUnavailable as error:
        return error


def test_close_runs_what_waits_and_refuses_the_rest(store: SqliteStore) -> None:
    gateway = Gateway(store, lambda topics: None)
    with gateway._write_lock:
        future = gateway.submit(Insert([new_job()]))
    gateway.close()
    gateway.close()
    assert future.result(0)[0].created
    with pytest.raises(StorageUnavailable, match="closed"):
        gateway.run(Insert([new_job()]))


def test_many_first_submits_start_one_thread(store: SqliteStore) -> None:
    for _ in range(20):
        gateway = Gateway(store, lambda topics: None)
        barrier = threading.Barrier(4)

        def submit(gateway: Gateway = gateway, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            gateway.submit(Insert([new_job()])).result(10)

        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [thread.name for thread in threading.enumerate()].count("holdfast-gateway") == 1
        gateway.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_does_not_inherit_the_line(store: SqliteStore, gateway: Gateway) -> None:
    """Not its waiting calls, not its turn; and the store itself refuses to be written from there."""
    gateway.submit(Insert([new_job()])).result(10)
    with gateway._write_lock:
        child = os.fork()
        if child == 0:
            try:
                gateway.run(Insert([new_job()]))
            except StorageRefused:
                os._exit(7)
            os._exit(8)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert store.states()["enqueued"] == 1


def test_a_transaction_that_was_in_the_way_of_others_is_run_again(
    store: SqliteStore, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole: what the first try had written is not stored twice."""
    monkeypatch.setattr(aside, "PAUSE", 0.0)
    tries: list[int] = []

    def give_way() -> int:
        tries.append(1)
        if len(tries) < 6:
            raise Contended("a deadlock")
        return len(tries)

    job = new_job()
    with gateway._write_lock:
        inserted, repeated = gateway.submit(Insert([job])), gateway.submit(CallWrite(give_way))
    assert repeated.result(30) == 6
    assert inserted.result(30) == [(job.id, True)]
    assert [row.state for row in store.history(job.id)] == ["enqueued"]


def test_a_transaction_that_is_always_in_the_way_is_given_up(
    store: SqliteStore, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "PAUSE", 0.0)
    monkeypatch.setattr(aside, "TIMEOUT", 0.05)
    tries: list[int] = []

    def give_way() -> None:
        tries.append(1)
        raise Contended("a deadlock")

    with pytest.raises(StorageUnavailable, match="a deadlock"):
        gateway.run(CallWrite(give_way))
    assert len(tries) > 1
    with pytest.raises(Contended):
        gateway.submit(CallWrite(give_way)).result(30)
    tried = len(tries)
    with pytest.raises(Contended):  # a caller that repeats by itself gets the error at once
        gateway.submit_together(CallWrite(give_way), repeats=False)[0].result(30)
    assert len(tries) == tried + 1


def test_a_call_that_others_are_in_the_way_of_keeps_no_other_waiting(
    store: SqliteStore, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is locked for long concerns one call: the others are stored while the lock is held, those that come later
    too, of threads and of event loops."""
    jobs, free = [new_job() for _ in range(3)], threading.Event()

    def give_way() -> str:
        if free.is_set():
            return "at last"
        raise Contended("a lock held too long")

    with gateway._write_lock:
        contended, inserted = gateway.submit(CallWrite(give_way)), gateway.submit(Insert(jobs[:1]))
    thread_waits = threading.Thread(target=lambda: results.append(gateway.run(CallWrite(give_way))))
    results: list[str] = []
    thread_waits.start()
    assert inserted.result(30) == [(jobs[0].id, True)]
    assert gateway.run(Insert(jobs[1:2])) == [(jobs[1].id, True)]
    assert gateway.submit(Insert(jobs[2:])).result(30) == [(jobs[2].id, True)]
    assert not contended.done()
    free.set()
    assert contended.result(30) == "at last"
    thread_waits.join(30)
    assert results == ["at last"]


class HalfLocked(SqliteStore):
    """A store in which another client has locked one job."""

    locked = 0
    transactions = 0

    @contextmanager
    def transaction(self, *, sealed: bool = False) -> Generator[None]:
        self.transactions += 1
        with super().transaction(sealed=sealed):
            yield

    def unlocked(self, seqs: Sequence[int]) -> set[int]:
        return set(seqs) - {self.locked}

    def report(self, reports: Sequence[Report]) -> list[str]:
        if any(report.seq == self.locked for report in reports):
            raise Contended("a lock held too long")
        return super().report(reports)


def test_of_many_reports_the_one_that_is_hindered_is_told_apart_at_once(tmp_path: Path) -> None:
    """The others are stored together, in a few transactions, however many they are."""
    store = HalfLocked(tmp_path / "half.db")
    store.open()
    gateway = Gateway(store, lambda topics: None)
    store.locked, before = 50, store.transactions
    with gateway._write_lock:
        futures = [gateway.submit(StoreReports([Report(seq, 1)])) for seq in range(1, 101)]
    assert [future.result(30) for future in futures if future is not futures[49]] == [["lost"]] * 99
    assert store.transactions - before < 20
    assert not futures[49].done()
    store.locked = 0
    assert futures[49].result(30) == ["lost"]
    gateway.close()
    store.close()


def test_a_call_that_is_contended_at_the_close_fails_as_contended(store: SqliteStore) -> None:
    gateway = Gateway(store, lambda topics: None)
    begun = threading.Event()

    def give_way() -> None:
        begun.set()
        raise Contended("a lock held too long")

    future = gateway.submit(CallWrite(give_way))
    assert begun.wait(30)
    gateway.close()
    with pytest.raises(Contended):
        future.result(0)


def test_a_signal_that_fails_costs_neither_the_result_nor_the_thread(store: SqliteStore) -> None:
    """It is given after the commit, so what was asked is done."""

    def broken(topics: frozenset[Topic]) -> None:
        raise RuntimeError("the loop is closed")

    gateway = Gateway(store, broken)
    for job in (new_job(), new_job()):
        assert gateway.submit(Insert([job])).result(30) == [(job.id, True)]
        assert store.job(job.id) is not None
    gateway.close()


def test_a_thread_that_cannot_be_started_is_tried_again(
    store: SqliteStore, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError, match="new thread"):
            gateway.submit(Insert([new_job()]))
    job = new_job()
    assert gateway.submit(Insert([job])).result(30) == [(job.id, True)]
    assert store.states()["enqueued"] == 1


def test_a_statement_that_the_database_cannot_serve_costs_its_own_call_only(
    store: SqliteStore, gateway: Gateway
) -> None:
    """A value too large for the server, for example: its driver reports that as a lost connection."""

    def too_large() -> None:
        raise StorageUnavailable("the connection was lost")

    jobs = [new_job(), new_job()]
    with gateway._write_lock:
        before, bad, after = (
            gateway.submit(Insert(jobs[:1])),
            gateway.submit(CallWrite(too_large)),
            gateway.submit(Insert(jobs[1:])),
        )
    assert [before.result(30), after.result(30)] == [[(job.id, True)] for job in jobs]
    with pytest.raises(StorageUnavailable, match="the connection was lost"):
        bad.result(30)


def test_a_store_that_has_gone_away_is_asked_once_for_all(store: SqliteStore, gateway: Gateway) -> None:
    tries: list[int] = []

    def lost() -> None:
        tries.append(1)
        raise StorageUnavailable("the connection was lost")

    with gateway._write_lock:
        futures = [gateway.submit(CallWrite(lost)) for _ in range(50)]
    for future in futures:
        with pytest.raises(StorageUnavailable):
            future.result(30)
    assert len(tries) <= 3
