"""Rules of the leader lease: one holder at a time, terms that only grow, and two leaders by accident that do no harm."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from holdfast.core.errors import StorageUnavailable
from holdfast.core.states import Verb
from holdfast.storage.protocol import Store
from holdfast.storage.writes import ReleaseLease
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import LEASE, StoreDriver

ROLE = "clock"
EACH = 60
"""Jobs of each kind that two leaders fight for."""


class LeaderRules(Rules):
    def test_the_first_one_leads_and_the_others_do_not(
        self, store: Store, driver: StoreDriver, clock: FakeClock
    ) -> None:
        assert store.leaders() == []
        assert driver.acquire_lease(ROLE, "a") == 1
        assert driver.acquire_lease(ROLE, "b") is None
        assert driver.acquire_lease("another role", "b") == 1
        assert [tuple(row) for row in store.leaders()] == [
            ("another role", "b", 1, clock()),
            (ROLE, "a", 1, clock()),
        ]

    def test_who_renews_keeps_the_term(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        since = clock()
        for _ in range(5):
            assert driver.acquire_lease(ROLE, "a") == 1
            clock.advance(LEASE - 1)
            assert driver.acquire_lease(ROLE, "b") is None
        assert [tuple(row) for row in store.leaders()] == [(ROLE, "a", 1, since)]

    def test_a_lease_that_has_run_out_is_taken_over(
        self, store: Store, driver: StoreDriver, clock: FakeClock
    ) -> None:
        driver.acquire_lease(ROLE, "a")
        clock.advance(LEASE)
        assert driver.acquire_lease(ROLE, "b") is None
        clock.advance(0.000_001)
        assert store.leaders() == []
        assert driver.acquire_lease(ROLE, "b") == 2
        assert driver.acquire_lease(ROLE, "a") is None
        assert [tuple(row) for row in store.leaders()] == [(ROLE, "b", 2, clock())]

    def test_one_own_lease_that_nobody_took_goes_on(self, driver: StoreDriver, clock: FakeClock) -> None:
        driver.acquire_lease(ROLE, "a")
        clock.advance(10 * LEASE)
        assert driver.acquire_lease(ROLE, "a") == 1
        assert driver.acquire_lease(ROLE, "b") is None

    def test_who_resigns_is_followed_at_once(self, store: Store, driver: StoreDriver) -> None:
        driver.acquire_lease(ROLE, "a")
        assert driver.run(ReleaseLease(ROLE, "b")) is False
        assert driver.acquire_lease(ROLE, "b") is None
        assert driver.run(ReleaseLease(ROLE, "a")) is True
        assert driver.run(ReleaseLease(ROLE, "a")) is False
        assert driver.run(ReleaseLease("never led", "a")) is False
        assert store.leaders() == []
        assert driver.acquire_lease(ROLE, "b") == 2

    def test_the_same_one_comes_back_with_a_new_term(self, store: Store, driver: StoreDriver) -> None:
        driver.acquire_lease(ROLE, "a")
        driver.run(ReleaseLease(ROLE, "a"))
        assert driver.acquire_lease(ROLE, "a") == 2

    def test_many_candidates_at_once_make_one_leader(
        self, store: Store, driver: StoreDriver, clock: FakeClock, tmp_path: Path
    ) -> None:
        other = self.make_store(tmp_path, clock)
        other.open()
        try:
            for term in range(1, 9):
                mine, theirs = _at_once(
                    [lambda: driver.acquire_lease(ROLE, "a"), lambda: _lead(other, ROLE, "b")]
                )
                assert sorted((mine, theirs), key=str) == sorted((term, None), key=str)
                driver.run(ReleaseLease(ROLE, "b" if mine is None else "a"))
        finally:
            other.close()

    def test_two_who_both_believe_to_lead_do_nothing_twice(
        self, store: Store, driver: StoreDriver, clock: FakeClock, tmp_path: Path
    ) -> None:
        """One that was stopped for longer than its lease continues with what it was about to do. Each task is guarded by
        itself, so all that is due happens once."""
        dead = driver.register("dead")
        due = [driver.add(delay=1.0).id for _ in range(EACH)]
        held = [driver.start(worker=dead).id for _ in range(EACH)]
        old = [driver.start() for _ in range(EACH)]
        for claimed in old:
            driver.end(claimed, Verb.SUCCEED, keep=clock() + 1)
        clock.advance(LEASE + 1)
        driver.heartbeat(driver.worker)
        other = self.make_store(tmp_path, clock)
        other.open()
        try:
            done = _at_once([lambda one=one: _all_tasks(one) for one in (store, other)])
        finally:
            other.close()
        total = sum(done, Counter[str]())
        assert (total["promoted"], total["removed"]) == (EACH, EACH)
        assert {key: total[key] for key in held} == dict.fromkeys(held, 1)
        assert all(driver.path(job) == ["scheduled", "enqueued"] for job in due)
        assert all(driver.path(job) == ["enqueued", "processing", "enqueued"] for job in held)
        assert store.states()["succeeded"] == 0
        [bucket] = store.buckets(since=0, step=86_400)
        assert (bucket.started, bucket.succeeded) == (2 * EACH, EACH)


def _lead(store: Store, role: str, holder: str) -> int | None:
    with store.transaction():
        return store.acquire_lease(role, holder, lease=LEASE)


def _all_tasks(store: Store) -> Counter[str]:
    """Every task of the clock in small portions, until this one finds nothing more to do."""
    done = Counter[str]()
    while True:
        before = done.total()
        done["promoted"] += _patiently(store, lambda: store.promote(7))[0]
        done.update(swept.id for swept in _patiently(store, store.rescue))
        done["summed"] += _patiently(store, lambda: store.aggregate_events(1000))
        done["removed"] += _patiently(store, lambda: store.expire(7))
        if done.total() == before:
            return done


def _patiently(store: Store, verb: Callable[[], Any]) -> Any:
    """One verb in a transaction; it is repeated when the database refused one of two, as the maintenance tasks do."""
    for tries in range(1, 21):
        try:
            with store.transaction():
                return verb()
        except StorageUnavailable:
            if tries == 20:
                raise


def _at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls, timeout=120))
