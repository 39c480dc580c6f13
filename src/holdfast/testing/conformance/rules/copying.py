"""Rules of a copy: everything in a store is copied unchanged, and a read-only store stays unchanged."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from holdfast.core.commands import Action
from holdfast.core.dump import Part, Row, Seal, key_of
from holdfast.core.errors import NotFound, StorageUnavailable
from holdfast.core.outcome import LogLine
from holdfast.core.query import parse
from holdfast.core.retention import Retention
from holdfast.core.states import State, Verb
from holdfast.runtime.clock import from_us
from holdfast.storage.protocol import Store
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.writes import AggregateEvents, PauseQueue, PublishTypes
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import REACHABLE, StoreDriver
from holdfast.testing.factories import new_job, type_row

SEAL = Seal("copy-1", "This store is being copied; nothing can be stored until that has ended.")


class CopyingRules(Rules):
    @pytest.fixture
    def target(self, clock: FakeClock, tmp_path: Path) -> Iterator[Store]:
        target = self.make_store(tmp_path / "target", clock)
        target.open()
        yield target
        target.close()

    def test_everything_comes_over_as_it_is(
        self, store: Store, driver: StoreDriver, clock: FakeClock, target: Store
    ) -> None:
        _fill(driver, clock)
        _copy(store, target)
        for part in Part:
            rows = _all(store, part)
            assert rows, part
            assert _all(target, part) == rows, part
        every = parse("", now=from_us(clock()))
        jobs = store.search(every, sort="-created", limit=100, cursor=None).items
        assert target.search(every, sort="-created", limit=100, cursor=None).items == jobs
        for job in jobs:
            assert target.job(job.id) == job
            assert target.history(job.id) == store.history(job.id)
            assert target.saved(job.id) == store.saved(job.id)
            assert target.logs(job.id, after=0, limit=10) == store.logs(job.id, after=0, limit=10)
        assert target.states() == store.states()
        assert target.queues() == store.queues()
        assert target.types() == store.types()
        assert target.buckets(since=0, step=10) == store.buckets(since=0, step=10)
        assert target.workers() == target.leaders() == []

    def test_tags_are_found_again(self, store: Store, driver: StoreDriver, target: Store) -> None:
        job, _ = driver.add(tags=("eu", "grüße")), driver.add(tags=("us",))
        _copy(store, target)
        found = target.search(
            parse("tag:grüße", now=from_us(driver.clock())), sort="-created", limit=9, cursor=None
        )
        assert [one.id for one in found.items] == [job.id]

    def test_work_goes_on_where_it_was(
        self, store: Store, driver: StoreDriver, clock: FakeClock, target: Store
    ) -> None:
        low, high = driver.add(queue="q", priority=1), driver.add(queue="q", priority=5)
        retried = driver.start(queue="other")
        driver.report(retried, saved='{"at":5}')
        driver.end(retried, Verb.RETRY_LATER, reason="retry", run_at=clock() + 1)
        _copy(store, target)
        there = StoreDriver(target, clock)
        late = there.add(queue="q", priority=1)
        assert late.seq > retried.seq
        assert [job.id for job in there.claim(limit=9, queues=["q"])] == [high.id, low.id, late.id]
        clock.advance(2)
        assert there.promote() == (1, None)
        again = there.again(retried.id)
        assert (again.seq, again.token, again.attempt, again.saved) == (retried.seq, 2, 2, '{"at":5}')

    def test_a_running_job_is_given_back_and_its_old_attempt_is_lost(
        self, store: Store, driver: StoreDriver, clock: FakeClock, target: Store
    ) -> None:
        claimed = driver.start(worker=driver.register("of-the-old-store"))
        _copy(store, target)
        there = StoreDriver(target, clock)
        assert [swept.id for swept in there.rescue()] == [claimed.id]
        again = there.again(claimed.id)
        assert (again.token, again.attempt) == (claimed.token + 1, claimed.attempt)
        assert there.end(claimed, Verb.SUCCEED) == LOST
        assert there.end(again, Verb.SUCCEED) == State.SUCCEEDED

    def test_an_attempt_that_goes_on_burns_no_attempt_there(
        self, store: Store, driver: StoreDriver, clock: FakeClock, target: Store
    ) -> None:
        claimed = driver.start()
        driver.end(claimed, Verb.RELEASE)
        _copy(store, target)
        assert StoreDriver(target, clock).again(claimed.id).attempt == 1

    def test_keys_hold_there_too(
        self, store: Store, driver: StoreDriver, clock: FakeClock, target: Store
    ) -> None:
        unique, once = driver.add(unique_key="k"), driver.add(idempotency_key="once")
        _copy(store, target)
        there = StoreDriver(target, clock)
        same = there.insert(new_job(unique_key="k"), new_job(idempotency_key="once"), new_job(id=once.id))
        assert same == [(unique.id, False), (once.id, False), (once.id, False)]

    def test_a_retention_of_its_own_comes_over(
        self, store: Store, driver: StoreDriver, clock: FakeClock, target: Store
    ) -> None:
        job = driver.add(retention=Retention(60.0, 60.0, 60.0))
        _copy(store, target)
        there = StoreDriver(target, clock)
        there.command(job.id, Action.CANCEL)
        assert there.read(job.id).expires_at == clock() + 60_000_000

    def test_what_is_loaded_is_not_counted_again(
        self, store: Store, driver: StoreDriver, clock: FakeClock, target: Store
    ) -> None:
        _fill(driver, clock)
        _copy(store, target)
        before = target.buckets(since=0, step=10)
        StoreDriver(target, clock).run(AggregateEvents(1000))
        assert target.buckets(since=0, step=10) == before

    def test_a_repeat_is_harmless(
        self, store: Store, driver: StoreDriver, clock: FakeClock, target: Store
    ) -> None:
        _fill(driver, clock)
        _copy(store, target)
        assert _copy(store, target) == 0
        for part in Part:
            assert _all(target, part) == _all(store, part)

    def test_nothing_is_missed_and_nothing_twice_in_small_portions(
        self, store: Store, driver: StoreDriver, clock: FakeClock
    ) -> None:
        _fill(driver, clock)
        for part in Part:
            rows, after = list[Row](), None
            while page := store.dump(part, after=after, limit=2):
                assert len(page) <= 2
                rows += page
                after = key_of(page[-1])
            assert rows == _all(store, part)
            keys = [key_of(row) for row in rows]
            assert len(set(keys)) == len(keys)

    def test_a_sealed_store_refuses_every_write_and_goes_on_reading(
        self, store: Store, driver: StoreDriver, clock: FakeClock, tmp_path: Path
    ) -> None:
        claimed = driver.start()
        other = self.make_store(tmp_path, clock)
        other.open()
        try:
            assert store.sealed() is None
            with store.transaction(sealed=True):
                store.seal(SEAL)
            assert store.sealed() == other.sealed() == SEAL
            for one in (store, other):
                with pytest.raises(StorageUnavailable, match="being copied"), one.transaction():
                    one.insert([new_job()])
                with pytest.raises(StorageUnavailable, match="being copied"), one.transaction():
                    one.heartbeat([driver.worker], lease=99.0)
            assert driver.read(claimed.id).state == State.PROCESSING
            assert sum(other.states().values()) == 1
            with other.transaction(sealed=True):
                other.seal(None)
            assert driver.end(claimed, Verb.SUCCEED) == State.SUCCEEDED
        finally:
            other.close()

    def test_once_it_is_sealed_no_commit_is_under_way(
        self, store: Store, clock: FakeClock, tmp_path: Path
    ) -> None:
        """A transaction that began before the read-only lock is committed before it, or not at all."""
        others = [self.make_store(tmp_path, clock) for _ in range(3)]
        begun, enough = threading.Barrier(len(others) + 1), threading.Event()

        def write(other: Store) -> None:
            begun.wait(30)
            with contextlib.suppress(StorageUnavailable):
                while not enough.is_set():
                    with other.transaction():
                        other.insert([new_job(), new_job()])

        for other in others:
            other.open()
        with ThreadPoolExecutor(len(others)) as pool:
            writing = [pool.submit(write, other) for other in others]
            begun.wait(30)
            deadline = time.monotonic() + 30
            while store.states()["enqueued"] < 20 and time.monotonic() < deadline:
                pass
            with store.transaction(sealed=True):
                store.seal(SEAL)
            sealed_with = store.states()["enqueued"]
            wait(writing, timeout=2.0)
            enough.set()  # only a store that lets them pass needs it
            for one in writing:
                one.result(30)
        assert store.states()["enqueued"] == sealed_with >= 20
        for other in others:
            other.close()

    def test_a_seal_that_is_rolled_back_is_none(self, store: Store, driver: StoreDriver) -> None:
        with pytest.raises(NotFound), store.transaction(sealed=True):
            _seal_and_fail(store)
        assert store.sealed() is None
        driver.add()


def _fill(driver: StoreDriver, clock: FakeClock) -> None:
    """A store with something in every part and in every column that a verb can fill."""
    driver.run(
        PublishTypes(
            [type_row("noop", doc="does nothing"), type_row("mail", timeout=1.5, tags='["ä"]')],
        )
    )
    driver.run(PauseQueue("mail", actor="ann", reason="tea"))
    for state in REACHABLE:
        driver.job_in(state, tags=("eu", "ä"), owner="ann", args='{"n":1.50}', timeout=2.5)
        clock.advance(11)
        driver.heartbeat(driver.worker)
    failed = driver.start(unique_key="u", idempotency_key="i", origin="api", actor="bob", priority=-3)
    lines = tuple(LogLine(clock() + n, "info", f"line {n} ✓", '{"k":1}') for n in range(3))
    driver.report(failed, saved='{"at":5}', progress='{"done":1,"total":2}', logs=lines)
    driver.command(failed.id, Action.PAUSE, actor="ann", reason="why not")
    driver.run(AggregateEvents(1000))


def _seal_and_fail(store: Store) -> None:
    store.seal(SEAL)
    store.command("no-such-job", Action.CANCEL, actor=None, reason=None)


def _copy(source: Store, target: Store) -> int:
    """Load all parts in batches of three; returns how many rows were new."""
    new = 0
    for part in Part:
        after = None
        while page := source.dump(part, after=after, limit=3):
            with target.transaction(sealed=True):
                new += target.load(part, page)
            after = key_of(page[-1])
    return new


def _all(store: Store, part: Part) -> Sequence[Row]:
    return store.dump(part, after=None, limit=10_000)
