"""Rules of many at once: threads and processes on one store, and the gateway that joins their calls."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.commands import Action
from holdfast.core.errors import Conflict, HoldfastError, NotFound
from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import Settlement
from holdfast.core.states import State, Verb
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Store
from holdfast.storage.topics import Topic
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.writes import Claim, Command, Insert, Promote, RegisterWorker, Settle
from holdfast.testing.call_write import CallWrite
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import StoreDriver
from holdfast.testing.factories import TYPE, new_job, worker_row

THREADS = 6


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run these at the same moment, each in a thread; returns their results (or errors) in order."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(30)
        try:
            return call()
        except HoldfastError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls, timeout=60))


@contextmanager
def write_lock_taken(gateway: Gateway) -> Generator[None]:
    """Keeps the write lock busy, so that everything submitted meanwhile is run together."""
    taken, free = threading.Event(), threading.Event()

    def wait() -> None:
        taken.set()
        free.wait(30)

    future = gateway.submit(CallWrite(wait))
    assert taken.wait(30)
    try:
        yield
    finally:
        free.set()
        future.result(30)


class ConcurrencyRules(Rules):
    @pytest.fixture
    def gateway(self, store: Store) -> Iterator[Gateway]:
        gateway = Gateway(store, lambda topics: None)
        yield gateway
        gateway.close()

    def test_many_may_open_a_new_store_at_once(self, clock: FakeClock, tmp_path: Path) -> None:
        """As when many workers are started on an unused database."""
        for attempt in range(3):
            stores = [self.make_store(tmp_path / f"new-{attempt}", clock) for _ in range(THREADS)]

            def begin(store: Store) -> None:
                store.open()
                gateway = Gateway(store, lambda topics: None)
                gateway.run(Insert([new_job()]))
                gateway.close()

            try:
                assert together(*(lambda store=store: begin(store) for store in stores)) == [None] * THREADS
                assert {store.states()["enqueued"] for store in stores} == {THREADS}
            finally:
                for store in stores:
                    store.close()

    def test_no_job_is_claimed_twice(self, driver: StoreDriver, gateway: Gateway) -> None:
        driver.insert(*[new_job(queue=f"q{n % 3}") for n in range(240)])

        def work(worker: str) -> list[Claimed]:
            gateway.run(RegisterWorker(worker_row(worker), lease=30.0))
            mine: list[Claimed] = []
            while batch := gateway.run(Claim(ClaimRequest(worker, 7, frozenset({TYPE})))):
                mine += batch
                gateway.run(Settle([Settlement(job.seq, job.token, Verb.SUCCEED) for job in batch]))
            return mine

        taken = together(*[lambda n=n: work(f"w{n}") for n in range(THREADS)])
        assert Counter(job.id for jobs in taken for job in jobs).most_common(1)[0][1] == 1
        assert driver.store.states()["succeeded"] == 240

    def test_several_stores_on_one_database(
        self, tmp_path: Path, clock: FakeClock, driver: StoreDriver
    ) -> None:
        """As several processes have them: each with its own connections and its own gateway."""
        driver.insert(*[new_job() for _ in range(200)])

        def work(worker: str) -> list[str]:
            store = self.make_store(tmp_path, clock)
            store.open()
            gateway = Gateway(store, lambda topics: None)
            gateway.run(RegisterWorker(worker_row(worker), lease=30.0))
            mine: list[str] = []
            while batch := gateway.run(Claim(ClaimRequest(worker, 9, frozenset({TYPE})))):
                results = gateway.run(Settle([Settlement(job.seq, job.token, Verb.SUCCEED) for job in batch]))
                assert results == [State.SUCCEEDED] * len(batch)
                mine += [job.id for job in batch]
            gateway.close()
            store.close()
            return mine

        taken = together(*[lambda n=n: work(f"w{n}") for n in range(4)])
        assert sorted(job for jobs in taken for job in jobs) == sorted(
            {job for jobs in taken for job in jobs}
        )
        assert sum(map(len, taken)) == 200

    def test_one_unique_key_wanted_by_many(self, driver: StoreDriver, gateway: Gateway) -> None:
        for key in range(10):
            calls = [
                lambda key=key: gateway.run(Insert([new_job(unique_key=str(key))]))[0] for _ in range(THREADS)
            ]
            results = together(*calls)
            assert sum(result.created for result in results) == 1
            assert len({result.id for result in results}) == 1
        assert driver.store.states()["enqueued"] == 10

    def test_of_several_ends_one_is_written(self, driver: StoreDriver, gateway: Gateway) -> None:
        for _ in range(10):
            claimed = driver.start()
            ends = [
                Settlement(claimed.seq, claimed.token, verb)
                for verb in (Verb.SUCCEED, Verb.FAIL, Verb.SUCCEED, Verb.STOP)
            ]
            results = [
                result for [result] in together(*[lambda end=end: gateway.run(Settle([end])) for end in ends])
            ]
            assert results.count(LOST) == 3
            assert driver.read(claimed.id).state in results
            assert len(driver.path(claimed.id)) == 3

    def test_a_cancel_against_an_end(self, driver: StoreDriver, gateway: Gateway) -> None:
        for _ in range(20):
            claimed = driver.start()
            end = Settlement(claimed.seq, claimed.token, Verb.SUCCEED)
            [result], asked = together(
                lambda end=end: gateway.run(Settle([end])),
                lambda claimed=claimed: gateway.run(
                    Command(claimed.id, Action.CANCEL, actor=None, reason=None)
                ),
            )
            job = driver.read(claimed.id)
            if isinstance(asked, Conflict):  # it came too late, and says so
                assert (result, job.state) == (State.SUCCEEDED, State.SUCCEEDED)
            else:
                assert (result, job.state) == (State.CANCELLED, State.CANCELLED)

    def test_a_cancel_against_a_claim(self, driver: StoreDriver, gateway: Gateway) -> None:
        for n in range(20):
            job = driver.add(queue=f"q{n}")
            request = ClaimRequest(driver.worker, 1, frozenset({TYPE}), (job.queue,))
            claimed, asked = together(
                lambda request=request: gateway.run(Claim(request)),
                lambda job=job: gateway.run(Command(job.id, Action.CANCEL, actor=None, reason=None)),
            )
            if claimed:
                assert (asked.state, asked.requested) == (State.PROCESSING, "cancel")
            else:
                assert asked.state == State.CANCELLED

    def test_readers_see_whole_transactions_only(self, store: Store, driver: StoreDriver) -> None:
        stop = threading.Event()

        def write() -> None:
            for _ in range(40):
                driver.insert(*[new_job() for _ in range(10)])
            stop.set()

        def read() -> None:
            before = 0
            while not stop.is_set():
                now = sum(store.states().values())
                assert now % 10 == 0
                assert now >= before
                before = now

        together(write, read, read)
        assert store.states()["enqueued"] == 400

    # -- the gateway ------------------------------------------------------------------------------------------------------

    def test_one_bad_operation_does_not_fail_the_others(
        self, store: Store, driver: StoreDriver, gateway: Gateway
    ) -> None:
        good, claimed = [new_job() for _ in range(5)], driver.start()
        broken = new_job()
        broken.args = None  # type: ignore[assignment]  # a row that no store takes: it must raise
        with write_lock_taken(gateway):
            inserts = [gateway.submit(Insert([job])) for job in good]
            bad = gateway.submit(Insert([broken]))
            missing = gateway.submit(Command("no-such-job", Action.CANCEL, actor=None, reason=None))
            end = gateway.submit(Settle([Settlement(claimed.seq, claimed.token, Verb.SUCCEED)]))
        assert [future.result(30) for future in inserts] == [[(job.id, True)] for job in good]
        assert isinstance(bad.exception(30), Exception), "a job whose arguments are None was stored"
        assert isinstance(missing.exception(30), NotFound)
        assert end.result(30) == [State.SUCCEEDED]
        assert store.job(broken.id) is None
        assert store.states() | {"enqueued": 5, "succeeded": 1} == store.states()

    def test_an_answer_means_committed(self, tmp_path: Path, clock: FakeClock, gateway: Gateway) -> None:
        other = self.make_store(tmp_path, clock)
        other.open()
        for _ in range(20):
            job = new_job()
            gateway.run(Insert([job]))
            assert other.job(job.id) is not None
        other.close()

    def test_answers_reach_their_own_callers(self, gateway: Gateway) -> None:
        def enqueue() -> bool:
            batches = [[new_job() for _ in range(n % 4)] for n in range(25)]
            return all(gateway.run(Insert(jobs)) == [(job.id, True) for job in jobs] for jobs in batches)

        assert together(*[enqueue] * THREADS) == [True] * THREADS

    async def _given_up(self, gateway: Gateway, store: Store) -> list[Any]:
        jobs = [new_job() for _ in range(3)]
        with write_lock_taken(gateway):
            tasks = [asyncio.create_task(gateway.run_async(Insert([job]))) for job in jobs]
            await asyncio.sleep(0)
            tasks[1].cancel()
            await asyncio.sleep(0.05)
        return [jobs, await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)]

    def test_a_caller_that_gives_up_harms_nobody(self, store: Store, gateway: Gateway) -> None:
        """Its call is not run when it was still queued, and the others get their results."""
        jobs, results = asyncio.run(self._given_up(gateway, store))
        assert results[0] == [(jobs[0].id, True)]
        assert isinstance(results[1], (asyncio.CancelledError, CancelledError))
        assert results[2] == [(jobs[2].id, True)]
        assert store.job(jobs[1].id) is None
        assert gateway.run(Insert([jobs[1]])) == [(jobs[1].id, True)]

    def test_whoever_is_concerned_is_woken_after_the_commit(self, store: Store, driver: StoreDriver) -> None:
        woken = list[frozenset[Topic]]()
        gateway = Gateway(store, woken.append)
        job = new_job()
        gateway.run(Insert([job]))
        assert woken.pop() == {Topic.WORK, Topic.EVENTS}
        assert gateway.run(Promote(10))[0] == 0
        assert gateway.run(Claim(ClaimRequest("stranger", 1, frozenset({TYPE})))) == []
        assert woken == []
        [claimed] = gateway.run(Claim(ClaimRequest(driver.worker, 1, frozenset({TYPE}))))
        assert woken.pop() == {Topic.EVENTS}
        gateway.run(Command(job.id, Action.CANCEL, actor=None, reason=None))
        assert Topic.CONTROL in woken.pop()
        gateway.run(Settle([Settlement(claimed.seq, claimed.token, Verb.RELEASE)]))
        woken.clear()
        gateway.close()
