"""A reader that continues where it stopped skips no late commit, and does not wait for foreign transactions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from holdfast.core.states import Verb
from holdfast.storage.postgres.store import PostgresStore
from holdfast.testing import FakeClock
from holdfast.testing.driver import StoreDriver
from holdfast.testing.factories import new_job
from tests.servers.postgres import shared_url, store_in

WRITERS = 4
EACH = 60


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[PostgresStore]]:
    stores = [store_in(tmp_path, FakeClock()) for _ in range(WRITERS)]
    for store in stores:
        store.open()
    yield stores
    for store in stores:
        store.close()


def test_an_event_is_not_shown_before_those_that_lie_below_it(stores: list[PostgresStore]) -> None:
    slow, quick, *_ = stores
    with (
        slow.transaction()
    ):  # the lane is known from now on; a transaction that makes one locks it until the commit
        slow.insert([new_job()])
    first, second = new_job(), new_job()
    before = quick.last_event()
    with slow.transaction():
        slow.insert([first])
        with quick.transaction():
            quick.insert([second])
        assert quick.last_event() == before
        assert quick.events(after=before, limit=9) == []
        assert quick.transition_counts(after=before) == {}
        assert quick.changed(after=before, ids=[second.id]) == set()
    assert [event.job for event in quick.events(after=before, limit=9)] == [first.id, second.id]


def test_a_foreign_open_transaction_holds_no_event_back(stores: list[PostgresStore]) -> None:
    store = stores[0]
    with psycopg.connect(shared_url()) as other:
        other.execute("CREATE TEMPORARY TABLE mine (n integer)")
        other.execute("INSERT INTO mine VALUES (1)")
        before = store.last_event()
        with store.transaction():
            store.insert([new_job()])
        assert store.last_event() > before


def test_what_was_rolled_back_leaves_a_gap_that_no_reader_waits_for(stores: list[PostgresStore]) -> None:
    store = stores[0]

    def insert_and_fail() -> None:
        with store.transaction():
            store.insert([new_job()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    with store.transaction():
        store.insert([new_job()])
    assert len(store.events(after=0, limit=9)) == 1


@pytest.mark.parametrize("limit", [3, 1_000])
def test_many_writers_and_a_reader_that_misses_and_doubles_nothing(
    stores: list[PostgresStore], limit: int
) -> None:
    reader = stores[0]
    start = reader.last_event()
    wanted = set[str]()
    left = threading.Semaphore(0)

    def write(store: PostgresStore) -> None:
        for n in range(EACH):
            jobs = [new_job(queue=f"q{n % 3}") for _ in range(1 + n % 4)]
            with store.transaction():
                store.insert(jobs[:1])
                store.insert(jobs[1:])
            wanted.update(job.id for job in jobs)
        left.release()

    threads = [threading.Thread(target=write, args=[store]) for store in stores]
    for thread in threads:
        thread.start()
    seen: list[str | None] = []
    places: list[int] = []
    ended = 0
    while ended < WRITERS or len(seen) < len(wanted):
        page = reader.events(after=places[-1] if places else start, limit=limit)
        seen += [event.job for event in page]
        places += [event.seq for event in page]
        if not page:
            ended += left.acquire(blocking=False)
        assert len(seen) <= WRITERS * EACH * 4
    for thread in threads:
        thread.join()
    assert places == sorted(set(places))
    assert sorted(map(str, seen)) == sorted(wanted)


def test_a_job_of_a_foreign_transaction_takes_its_place_at_the_commit(stores: list[PostgresStore]) -> None:
    """The trigger alone; storing within a transaction of a caller has tests of its own."""
    store = stores[0]
    driver = StoreDriver(store, FakeClock())
    pattern = driver.add()
    with psycopg.connect(shared_url()) as other:
        other.execute(f'SET search_path = "{store.place.schema}"')
        other.execute(
            "INSERT INTO specs (id, type, queue, priority, args, created_at) "
            "SELECT 'joined', type, queue, priority, args, created_at FROM specs WHERE id = %s",
            (pattern.id,),
        )
        other.execute(
            "INSERT INTO runs (seq, lane, state, max_attempts, changed_at, joined) SELECT specs.seq, lane, state, "
            "max_attempts, changed_at, true FROM runs, specs WHERE runs.seq = %s AND specs.id = 'joined'",
            (pattern.seq,),
        )
        later = driver.start()
        driver.end(later, Verb.SUCCEED)
        newest = store.last_event()
        assert [event.job for event in store.events(after=0, limit=99)][-1] == later.id
    [event] = store.events(after=newest, limit=9)
    assert (event.job, event.state) == ("joined", "enqueued")
    assert store.states()["enqueued"] == 2
