"""What a lock of a stranger's may delay: only what needs the row that it is on. Each server derives a class from this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from holdfast.core.commands import Action
from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import Report, Settlement
from holdfast.core.retention import Retention
from holdfast.core.states import State, Verb
from holdfast.storage.errors import Contended
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Store
from holdfast.storage.writes import (
    AcquireLease,
    Claim,
    Command,
    Expire,
    Heartbeat,
    Insert,
    Promote,
    RegisterWorker,
    Rescue,
    Settle,
    StoreReports,
)
from holdfast.testing.factories import TYPE, new_job, worker_row

SOON = 30
"""Seconds within which an unblocked call must have returned: not a target, only an end to a test that hangs."""


class StrangerRules(ABC):
    """While another client has locked a row, what does not need it is stored."""

    @abstractmethod
    def locked(self, store: Store, table: str, where: str) -> AbstractContextManager[None]:
        """A transaction of another client that has locked these rows of a table, and stays open."""

    @pytest.fixture
    def gateway(self, store: Store) -> Iterator[Gateway]:
        gateway = Gateway(store, lambda topics: None)
        gateway.run(RegisterWorker(worker_row("w"), lease=600.0))
        yield gateway
        gateway.close()

    def start(self, gateway: Gateway, count: int) -> list[Claimed]:
        gateway.run(Insert([new_job() for _ in range(count)]))
        jobs = gateway.run(Claim(ClaimRequest("w", count, frozenset({TYPE}))))
        assert len(jobs) == count
        return jobs

    def test_an_end(self, store: Store, gateway: Gateway) -> None:
        first, *rest = self.start(gateway, 5)
        with self.locked(store, "jobs", f"seq = {first.seq}"):
            [together] = gateway.submit_together(Settle([_end(job) for job in (first, *rest)]), repeats=False)
            assert isinstance(together.exception(SOON), Contended)
            late, *others = gateway.submit_together(*(Settle([_end(job)]) for job in (first, *rest)))
            assert [other.result(SOON) for other in others] == [[State.SUCCEEDED]] * 4
            assert gateway.run(Insert([new_job()]))[0].created
            assert not late.done()
        assert late.result(SOON) == [State.SUCCEEDED]

    def test_an_end_that_is_no_success(self, store: Store, gateway: Gateway) -> None:
        first, second = self.start(gateway, 2)
        with self.locked(store, "jobs", f"seq = {first.seq}"):
            late = gateway.submit(Settle([Settlement(first.seq, first.token, Verb.FAIL)]))
            assert gateway.run(Settle([Settlement(second.seq, second.token, Verb.FAIL)])) == [State.FAILED]
            assert not late.done()
        assert late.result(SOON) == [State.FAILED]

    def test_a_report(self, store: Store, gateway: Gateway) -> None:
        jobs = self.start(gateway, 20)
        with self.locked(store, "jobs", f"seq = {jobs[7].seq}"):
            calls = (StoreReports([Report(job.seq, job.token, progress="{}", saved="{}")]) for job in jobs)
            futures = gateway.submit_together(*calls)
            late = futures.pop(7)
            assert [future.result(SOON) for future in futures] == [[""]] * 19
            assert not late.done()
        assert late.result(SOON) == [""]

    def test_a_command(self, store: Store, gateway: Gateway) -> None:
        first, second = new_job(), new_job()
        gateway.run(Insert([first, second]))
        with self.locked(store, "jobs", f"seq = {_seq(store, first.id)}"):
            late = gateway.submit(Command(first.id, Action.PAUSE, actor=None, reason=None))
            job = gateway.run(Command(second.id, Action.PAUSE, actor=None, reason=None))
            assert job.state == State.PAUSED
            assert not late.done()
        assert late.result(SOON).state == State.PAUSED

    @pytest.mark.parametrize("limit", [1, 3])
    def test_a_claim_takes_the_next_ones(self, store: Store, gateway: Gateway, limit: int) -> None:
        jobs = [new_job() for _ in range(8)]
        gateway.run(Insert(jobs))
        with ExitStack() as locks:
            for job in jobs[:4]:
                locks.enter_context(self.locked(store, "jobs", f"seq = {_seq(store, job.id)}"))
            claimed = gateway.submit(Claim(ClaimRequest("w", limit, frozenset({TYPE})))).result(SOON)
            assert [job.id for job in claimed] == [job.id for job in jobs[4 : 4 + limit]]

    def test_a_claim_takes_from_other_queues(self, store: Store, gateway: Gateway) -> None:
        best, others = new_job(queue="a", priority=9), [new_job(queue=f"b{n}") for n in range(3)]
        gateway.run(Insert([best, *others]))
        with self.locked(store, "jobs", f"seq = {_seq(store, best.id)}"):
            claimed = gateway.submit(Claim(ClaimRequest("w", 2, frozenset({TYPE})))).result(SOON)
            assert [job.id for job in claimed] == [job.id for job in others[:2]]

    def test_a_worker_whose_row_is_locked_still_ends_its_jobs(self, store: Store, gateway: Gateway) -> None:
        first, second = self.start(gateway, 2)
        with self.locked(store, "workers", "id = 'w'"):
            asked: list[tuple[str, tuple[Any, ...]]] = [
                Settle([_end(first)]),
                Claim(ClaimRequest("w", 1, frozenset({TYPE}))),
            ]
            settled, _ = gateway.submit_together(*asked, repeats=False)
            assert settled.result(SOON) == [State.SUCCEEDED]
            gateway.run(RegisterWorker(worker_row("other"), lease=600.0))
            assert gateway.run(Settle([_end(second)])) == [State.SUCCEEDED]

    def test_promotion(self, store: Store, gateway: Gateway) -> None:
        jobs = [new_job(delay=0.01) for _ in range(3)]
        gateway.run(Insert(jobs))
        with self.locked(store, "jobs", f"seq = {_seq(store, jobs[0].id)}"):
            promoted = 0
            while promoted < 2:
                promoted += gateway.submit(Promote(10)).result(SOON)[0]
            assert store.states()["scheduled"] == 1

    def test_rescue(self, store: Store, gateway: Gateway) -> None:
        first, second = self.start(gateway, 2)
        with self.locked(store, "jobs", f"seq = {first.seq}"):
            swept = gateway.submit(Rescue(["w"])).result(SOON)
            assert [job.id for job in swept] == [second.id]
        assert [job.id for job in gateway.run(Rescue(["w"]))] == [first.id]

    def test_rescue_while_the_row_of_another_expired_worker_is_locked(
        self, store: Store, gateway: Gateway
    ) -> None:
        gateway.run(RegisterWorker(worker_row("locked"), lease=0.001))
        gateway.run(RegisterWorker(worker_row("expired"), lease=600.0))
        gateway.run(Insert([new_job()]))
        [job] = gateway.run(Claim(ClaimRequest("expired", 1, frozenset({TYPE}))))
        gateway.run(Heartbeat(["expired"], lease=0.001))
        with self.locked(store, "workers", "id = 'locked'"):
            assert [swept.id for swept in gateway.submit(Rescue([])).result(SOON)] == [job.id]
        gateway.run(Rescue([]))
        assert {worker.id for worker in store.workers() if worker.state == "lost"} == {"expired", "locked"}

    def test_heartbeats(self, store: Store, gateway: Gateway) -> None:
        gateway.run(RegisterWorker(worker_row("locked"), lease=600.0))
        with self.locked(store, "workers", "id = 'locked'"):
            late = gateway.submit(Heartbeat(["locked"], lease=600.0))
            assert gateway.submit(Heartbeat(["w"], lease=600.0)).result(SOON) == {"w"}
            assert not late.done()
        assert late.result(SOON) == {"locked"}

    @pytest.mark.parametrize("table", ["jobs", "specs"])
    def test_cleanup(self, store: Store, gateway: Gateway, table: str) -> None:
        jobs = self.start(gateway, 3)
        gateway.run(Settle([_end(job)._replace(keep=1) for job in jobs]))
        with self.locked(store, table, f"seq = {jobs[0].seq}"):
            assert gateway.submit(Expire(10)).result(SOON) == 2
        assert gateway.run(Expire(10)) == 1

    def test_an_enqueue_with_a_key(self, store: Store, gateway: Gateway) -> None:
        job = new_job(unique_key="k", retention=Retention())
        gateway.run(Insert([job]))
        with self.locked(store, "jobs", f"seq = {_seq(store, job.id)}"):
            assert gateway.submit(Insert([new_job(unique_key="k")])).result(SOON) == [(job.id, False)]
            assert gateway.run(Insert([new_job(unique_key="other")]))[0].created

    def test_the_row_of_the_leader(self, store: Store, gateway: Gateway) -> None:
        assert gateway.run(AcquireLease("clock", "me", lease=60.0)) == 1
        with self.locked(store, "leaders", "role = 'clock'"):
            late = gateway.submit(AcquireLease("clock", "me", lease=60.0))
            assert gateway.run(Insert([new_job()]))[0].created
            assert not late.done()
        assert late.result(SOON) == 1


def _end(job: Claimed) -> Settlement:
    return Settlement(job.seq, job.token, Verb.SUCCEED, result="1")


def _seq(store: Store, job_id: str) -> int:
    job = store.job(job_id)
    assert job is not None
    return job.seq
