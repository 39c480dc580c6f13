"""Claims stay quick while a transaction stays open, and skip no job because of it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from holdfast.core.states import Verb
from holdfast.storage.postgres import claim_cursor as floors
from holdfast.storage.postgres.claim_cursor import Floors
from holdfast.testing import FakeClock
from holdfast.testing.driver import StoreDriver
from holdfast.testing.factories import new_job
from tests.servers.postgres import shared_url, store_in


def test_a_slow_claim_far_from_the_start_of_its_lane_lets_the_next_ones_begin_higher() -> None:
    kept = Floors(lambda lane: 1_000)
    assert kept.begin() == {}
    kept.learn({}, {1: 70, 2: 90}, 0.02)
    assert kept.begin() == {1: 70, 2: 90}
    kept.learn(kept.begin(), {1: 80}, 0.02)
    assert kept.begin() == {1: 80, 2: 90}


@pytest.mark.parametrize(("seconds", "pages"), [(0.001, 1_000), (0.5, 4)])
def test_a_quick_claim_or_a_slow_machine_changes_nothing(seconds: float, pages: int) -> None:
    kept = Floors(lambda lane: pages)
    kept.learn({}, {1: 70}, seconds)
    assert kept.begin() == {}


def test_a_claim_from_the_start_comes_again_and_ends_it_when_it_is_quick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(floors.time, "monotonic", lambda: now)
    kept = Floors(lambda lane: 1_000)
    kept.learn({}, {1: 70}, 0.06)
    now += 2.9
    assert kept.begin() == {1: 70}
    now += 0.2
    assert kept.begin() == {}
    kept.learn({}, {1: 75}, 0.06)
    assert kept.begin() == {1: 75}
    now += 3.1
    kept.learn(kept.begin(), {1: 80}, 0.001)
    assert kept.begin() == {}


def test_beside_a_transaction_that_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "SLOW", 0.0)
    clock = FakeClock()
    store = store_in(tmp_path, clock)
    store.open()
    driver = StoreDriver(store, clock)
    again = driver.start(queue="q")
    with psycopg.connect(shared_url()) as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM pg_class")
        for _ in range(3):
            driver.insert(*[new_job(queue="q") for _ in range(1_000)])
            assert len(driver.claim(limit=1_000, queues=["q"])) == 1_000
        monkeypatch.setattr(floors, "FAR", 5)
        monkeypatch.setattr(store._jobs.floors, "_next_look", 0.0)
        monkeypatch.setattr(store._jobs.floors, "_next_full", 0.0)
        driver.insert(*[new_job(queue="q") for _ in range(20)])
        first = driver.claim(limit=5, queues=["q"])
        assert store._jobs.floors.begin() != {}
        following = driver.claim(limit=5, queues=["q"])
        assert [job.seq for job in following] == [job.seq + 5 for job in first]
        driver.end(again, Verb.RELEASE)  # back below the floor: found by the next claim from the start
        monkeypatch.setattr(store._jobs.floors, "_next_full", 0.0)
        assert driver.claim(limit=1, queues=["q"])[0].id == again.id
    store.close()
