"""On PostgreSQL too a search finds exactly the jobs that a plain reading of its nodes finds, whatever they contain."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.core.query import QueryError
from holdfast.core.query.canonical import quote
from holdfast.core.records import Count
from holdfast.core.states import State
from holdfast.storage import page_query as pages
from holdfast.storage import server_search
from holdfast.storage.postgres import search
from holdfast.storage.postgres.compiler import PostgresCompiler
from holdfast.storage.postgres.connection import Connection
from holdfast.storage.postgres.search import PostgresSnapshot
from tests.unit.storage.postgres.rows import put
from tests.unit.storage.search_rows import KEYS, NOW, SECOND, Job, ask, make, matches, us
from tests.unit.storage.test_search_meaning import (
    FIELDS,
    PATTERNS,
    QUOTED,
    WANTED,
    jobs,
    queries,
    states,
    terms,
)

SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """Sizes at which a few rows already go every way: several windows, long prefixes, many values."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_search, "WINDOW", 4)
        patch.setattr(server_search, "MANY_PIECES", 3)
        patch.setattr(server_search, "MOST_LIKELY", 6)
        patch.setattr(server_search, "MANY_VALUES", 3)
        patch.setattr(server_search, "LARGE", 5)
        patch.setattr(server_search, "COMPARED", 8)
        patch.setattr(search, "NEWEST", 2)
        yield


@contextmanager
def taken_back(db: Connection) -> Generator[None]:
    """What is stored within is gone afterwards."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("ROLLBACK")


def selected(db: Connection, text: str) -> list[int]:
    """What the condition alone says, without any plan."""
    root = ask(text).root
    if root is None:
        return [seq for (seq,) in db.execute("SELECT seq FROM jobs ORDER BY seq")]
    where, values = PostgresCompiler().compile(root)
    sql = f"SELECT seq FROM jobs WHERE ({where}) IS TRUE ORDER BY seq"
    return [seq for (seq,) in db.execute(sql.encode(), values)]


def listed(db: Connection, text: str, sort: str) -> list[int]:
    """All pages, three at a time."""
    seqs: list[int] = []
    cursor = None
    while True:
        page = pages.page(PostgresSnapshot(db), ask(text), sort=sort, limit=3, cursor=cursor)
        assert page.searched is None
        seqs += [job.seq for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seqs


def test_each_term_by_itself_finds_what_it_means(db: Connection) -> None:
    """Without random values: every field and every way to ask for an argument, on rows that have each value."""
    rows = make(1, 100)
    asked = [f"{field}:{text}" for field in FIELDS for text in QUOTED + PATTERNS]
    places = [f"args[{quote(key)}]{step}" for key in KEYS[::5] for step in ("", "[0]")]
    asked += [f"{place}:{text}" for place in places for text in QUOTED + PATTERNS + WANTED]
    asked += [*QUOTED, *(f"error:{text}" for text in QUOTED)]
    selective = 0
    with taken_back(db):
        seqs = put(db, rows)
        for text in asked:
            root = ask(text).root
            found = [seq for seq, job in zip(seqs, rows, strict=True) if matches(root, job)]
            assert selected(db, text) == found, text
            selective += 0 < len(found) < len(rows)
    assert selective > len(asked) // 3  # enough terms match some rows and not all


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(rows=jobs, text=st.one_of(st.just(""), queries))
def test_a_search_finds_what_its_nodes_mean(db: Connection, rows: list[Job], text: str) -> None:
    try:
        query = ask(text)
    except QueryError:
        return
    with taken_back(db):
        seqs = put(db, rows)
        found = [seq for seq, job in zip(seqs, rows, strict=True) if matches(query.root, job)]
        assert selected(db, text) == found
        assert listed(db, text, "created") == found
        assert listed(db, text, "-created") == found[::-1]
        assert sorted(listed(db, text, "-priority")) == found
        assert pages.count(PostgresSnapshot(db), query, cap=100) == Count(len(found), False)


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(rows=jobs, text=terms, state=states)
def test_counts_by_state_leave_out_the_states_of_the_search(
    db: Connection, rows: list[Job], text: str, state: str
) -> None:
    try:
        rest, query = ask(text), ask(f"state:{state} {text} -state:failed")
    except QueryError:
        return
    if text.startswith("state:"):
        return
    with taken_back(db):
        put(db, rows)
        found = [job for job in rows if matches(rest.root, job)]
        counts = pages.count_by_state(PostgresSnapshot(db), query, cap=100)
    expected = {name.value: sum(job.state == name for job in found) for name in State}
    expected["retrying"] = sum(job.state == "scheduled" and job.reason == "retry" for job in found)
    assert {name: counted.count for name, counted in counts.items()} == expected
    assert not any(counted.capped for counted in counts.values())


def test_clocks_that_differ_hide_nothing(db: Connection) -> None:
    minutes = [
        -60,
        -40,
        -34,
        -41,
        -33,
        -20,
        -12,
        -19,
        -11,
        -5,
    ]  # none more than ten minutes before an earlier one
    with taken_back(db):
        seqs = put(db, [Job(f"j{n}", created_at=us(NOW) + at * 60 * SECOND) for n, at in enumerate(minutes)])
        for bound in range(-65, 0, 3):
            younger = [seq for seq, at in zip(seqs, minutes, strict=True) if at >= bound]
            older = [seq for seq, at in zip(seqs, minutes, strict=True) if at < bound]
            assert listed(db, f"created:>{-bound}m", "created") == younger
            assert listed(db, f"created:<{-bound}m state:enqueued", "-created") == older[::-1]


def test_a_job_that_fits_twice_counts_once(db: Connection) -> None:
    with taken_back(db):
        seqs = put(db, [Job(f"j{n}", owner="ann", tags=("eu", "urgent")) for n in range(9)])
        for text in (
            "type:mail OR state:enqueued",
            "owner:ann OR type:mail",
            "tag:eu,urgent",
            "tag:e* OR tag:u*",
        ):
            assert pages.count(PostgresSnapshot(db), ask(text), cap=100).count == 9
            assert pages.count_by_state(PostgresSnapshot(db), ask(text), cap=100)["enqueued"].count == 9
            assert listed(db, text, "created") == seqs


def test_a_very_large_number_is_compared_exactly(db: Connection) -> None:
    with taken_back(db):
        seqs = put(
            db, [Job("a", args={"n": 10**400}), Job("b", args={"n": 2**53 + 1}), Job("c", args={"n": 0.1})]
        )
        assert listed(db, "args.n:>1e300", "created") == seqs[:1]
        assert listed(db, "args.n:9007199254740993", "created") == seqs[1:2]
        assert listed(db, "args.n:0.1", "created") == seqs[2:]


def test_a_worker_is_found_by_its_id_and_by_its_name(db: Connection) -> None:
    with taken_back(db):
        db.execute(
            """INSERT INTO workers (id, name, host, pid, version, state, queues, types, slots, started_at, heartbeat_at,
                                    deadline)
               VALUES ('w-17', 'web-3', 'host-1', 1, '1', 'live', '[]', '[]', 1, 0, 0, 0)"""
        )
        a, b, c = put(db, [Job("a", worker="w-17"), Job("b", worker="w-18"), Job("c")])
        found = [listed(db, f"worker:{text}", "created") for text in ("w-17", "web-3", "host-*", "w-1*")]
        assert found == [[a], [a], [a], [a, b]]
        assert listed(db, "-worker:web-3", "created") == [b, c]


def test_a_job_within_two_bounds_counts_once(db: Connection) -> None:
    text = "(state:enqueued created:>1h) OR (state:enqueued created:>2h)"
    with taken_back(db):
        seqs = put(db, [Job(f"j{n}") for n in range(9)])
        assert pages.count(PostgresSnapshot(db), ask(text), cap=100).count == 9
        assert listed(db, text, "created") == seqs


def test_no_progress_is_too_large_to_be_compared(db: Connection) -> None:
    with taken_back(db):
        far, half, odd = put(
            db,
            [
                Job("a", progress={"done": 1e308, "total": 1e-308}),
                Job("b", progress={"done": 1, "total": 2}),
                Job("c", progress={"done": "x", "total": "y"}),  # type: ignore[dict-item]
            ],
        )
        assert listed(db, "progress:>50.5", "created") == [far]
        assert listed(db, "progress:50", "created") == [half]
        assert listed(db, "progress:null", "created") == [odd]
