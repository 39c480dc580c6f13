"""What reading promises beside the kit: text that cannot be stored is found nowhere, dead connections are replaced, budgets
are reported, and the feed ends below a transaction that is under way."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from holdfast.core.job import NewJob
from holdfast.storage import page_query as pages
from holdfast.storage import server_search
from holdfast.storage.postgres.connection import READERS, Connection, ReadingLines
from holdfast.storage.postgres.store import PostgresStore
from holdfast.testing import FakeClock
from holdfast.testing.factories import new_job
from tests.unit.storage.postgres.test_connection import Pooled
from tests.unit.storage.search_rows import ask


@pytest.fixture(scope="module")
def jobs(store: PostgresStore) -> list[NewJob]:
    jobs = [new_job(args=f'{{"n":{n}}}') for n in range(60)]
    with store.transaction():
        store.insert(jobs)
    return jobs


@pytest.fixture
def other(store: PostgresStore, clock: FakeClock) -> Iterator[PostgresStore]:
    """The same database, as another process has it."""
    other = PostgresStore(store.place, clock=clock)
    other.open()
    yield other
    other.close()


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", ""])
def test_what_no_job_can_be_called_is_not_found(store: PostgresStore, jobs: list[NewJob], odd: str) -> None:
    assert store.job(odd) is None
    assert store.history(odd) == []
    assert store.saved(odd) is None
    assert store.logs(odd, after=0, limit=5) == []
    assert [job.id for job in store.jobs([odd, jobs[0].id])] == [jobs[0].id]
    assert store.changed(after=0, ids=[odd, jobs[0].id]) == {jobs[0].id}


def test_connections_that_were_cut_are_replaced_within_the_call(
    store: PostgresStore, db: Connection, jobs: list[NewJob]
) -> None:
    together = threading.Barrier(READERS)
    servers: list[int] = []

    def read() -> None:
        with store._lines.reading() as mine:
            servers.append(mine.info.backend_pid)
            together.wait(30)  # so that each takes a connection of its own

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(servers)) == READERS
    ended = db.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s::int[]) AS pid", (servers,)
    ).fetchall()
    assert ended == [(True,)] * READERS
    assert store.job(jobs[0].id) is not None


def test_a_search_is_repeated_where_its_connection_was_cut(
    store: PostgresStore, db: Connection, jobs: list[NewJob]
) -> None:
    with store._lines.reading() as mine:
        server = mine.info.backend_pid
    assert db.execute("SELECT pg_terminate_backend(%s, 10000)", (server,)).fetchone() == (True,)
    assert len(store.search(ask(""), sort="created", limit=5, cursor=None).items) == 5


def test_the_feed_ends_below_a_transaction_that_is_under_way(
    store: PostgresStore, other: PostgresStore, jobs: list[NewJob]
) -> None:
    before = store.last_event()
    slow, quick = new_job(), new_job()
    with other.transaction():
        other.insert([slow])
        with store.transaction():
            store.insert([quick])
        assert store.job(quick.id) is not None
        assert store.last_event() == before
        assert store.events(after=before, limit=9) == []
        assert store.changed(after=before, ids=[quick.id]) == set()
        assert store.transition_counts(after=before) == {}
    assert [event.job for event in store.events(after=before, limit=9)] == [slow.id, quick.id]
    assert store.changed(after=before, ids=[slow.id, quick.id]) == {slow.id, quick.id}
    assert store.transition_counts(after=before) == {(None, "enqueued"): 2}


@pytest.mark.parametrize("sort", ["created", "-created"])
def test_a_long_search_says_so_and_continues_where_it_ended(
    store: PostgresStore, jobs: list[NewJob], sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "BUDGET_ROWS", 20)
    monkeypatch.setattr(server_search, "WINDOW", 5)
    query, met, looked = ask("args.n:3,30,31,59"), list[str](), list[int | None]()
    page = store.search(query, sort=sort, limit=50, cursor=None)
    while page.next_cursor:
        met += [job.id for job in page.items]
        looked.append(page.searched)
        page = store.search(query, sort=sort, limit=50, cursor=page.next_cursor)
    met += [job.id for job in page.items]
    assert met == [jobs[n].id for n in ((3, 30, 31, 59) if sort == "created" else (59, 31, 30, 3))]
    assert looked == [20] * len(looked)
    assert len(looked) >= 3
    assert store.count(query, cap=50).capped


def test_in_front_of_a_pooler_all_is_read_alike(
    store: PostgresStore, jobs: list[NewJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = ReadingLines(Pooled(store.place, "full"))
    expected = store.search(ask(""), sort="-created", limit=9, cursor=None)
    states, last, ids = store.states(), store.last_event(), [job.id for job in jobs]
    monkeypatch.setattr(store, "_lines", behind)
    for _ in range(3):
        assert store.search(ask(""), sort="-created", limit=9, cursor=None) == expected
        assert store.count(ask("args.n:7"), cap=5).count == 1
        assert store.states() == states
        assert store.last_event() == last
        assert store.changed(after=0, ids=ids) == set(ids)
    behind.close()
