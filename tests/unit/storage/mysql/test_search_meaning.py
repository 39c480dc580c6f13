"""On MariaDB and MySQL too a search finds exactly the jobs that a plain reading of its nodes finds, whatever
they contain."""

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
from holdfast.storage.mysql import search
from holdfast.storage.mysql.connection import Connection, connect
from holdfast.storage.mysql.search import MysqlSnapshot
from tests.servers.mysql import Databases
from tests.unit.storage.mysql.rows import put
from tests.unit.storage.search_rows import KEYS, Job, ask, make, matches
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


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    connection, _ = connect(Databases("meaning").of(tmp_path_factory.mktemp("meaning")))
    yield connection
    connection.close()


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """Sizes at which a few rows already go every way: several windows, long prefixes, many values."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_search, "WINDOW", 4)
        patch.setattr(server_search, "MANY_VALUES", 3)
        patch.setattr(server_search, "LARGE", 5)
        patch.setattr(server_search, "COMPARED", 8)
        patch.setattr(search, "NEWEST", 2)
        patch.setattr(search, "MAX_PIECES", 2)
        yield


@contextmanager
def taken_back(db: Connection) -> Generator[None]:
    """What is stored within is gone afterwards."""
    try:
        yield
    finally:
        db.rollback()


def selected(db: Connection, text: str) -> list[int]:
    """What the condition alone says, without any plan."""
    root = ask(text).root
    where, values = ("TRUE", ()) if root is None else MysqlSnapshot.compiler.compile(root)
    with db.cursor() as cursor:
        cursor.execute(f"SELECT seq FROM jobs WHERE ({where}) IS TRUE ORDER BY seq", values or None)
        return [seq for (seq,) in cursor.fetchall()]


def listed(db: Connection, text: str, sort: str) -> list[int]:
    """All pages, three at a time."""
    seqs: list[int] = []
    cursor = None
    while True:
        page = pages.page(MysqlSnapshot(db), ask(text), sort=sort, limit=3, cursor=cursor)
        assert page.searched is None
        seqs += [job.seq for job in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return seqs


def test_each_term_by_itself_finds_what_it_means(db: Connection) -> None:
    """Without random values: every field and every way to ask for an argument, on rows that have each value."""
    rows = make(1, 100)
    asked = [f"{field}:{text}" for field in FIELDS for text in QUOTED + PATTERNS]
    places = [f"args[{quote(key)}]{step}" for key in KEYS for step in ("", "[0]")]
    asked += [f"{place}:{text}" for place in places for text in QUOTED[::3] + PATTERNS[::3] + WANTED]
    asked += [*QUOTED, *(f"error:{text}" for text in QUOTED)]
    selective, wrong = 0, list[str]()
    with taken_back(db):
        seqs = put(db, rows)
        for text in asked:
            root = ask(text).root
            found = [seq for seq, job in zip(seqs, rows, strict=True) if matches(root, job)]
            if selected(db, text) != found:
                wrong.append(text)
            selective += 0 < len(found) < len(rows)
    assert wrong == []
    assert selective > len(asked) // 3  # enough terms match some rows and not all


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
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
        assert pages.count(MysqlSnapshot(db), query, cap=100) == Count(len(found), False)


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
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
        counts = pages.count_by_state(MysqlSnapshot(db), query, cap=100)
    expected = {name.value: sum(job.state == name for job in found) for name in State}
    expected["retrying"] = sum(job.state == "scheduled" and job.reason == "retry" for job in found)
    assert {name: counted.count for name, counted in counts.items()} == expected
    assert not any(counted.capped for counted in counts.values())


def test_a_job_that_fits_twice_counts_once(db: Connection) -> None:
    with taken_back(db):
        seqs = put(db, [Job(f"j{n}", owner="ann", tags=("eu", "urgent")) for n in range(9)])
        for text in (
            "type:mail OR state:enqueued",
            "owner:ann OR type:mail",
            "tag:eu,urgent",
            "tag:e* OR tag:u*",
        ):
            assert pages.count(MysqlSnapshot(db), ask(text), cap=100).count == 9
            assert pages.count_by_state(MysqlSnapshot(db), ask(text), cap=100)["enqueued"].count == 9
            assert listed(db, text, "created") == seqs


def test_numbers_are_compared_exactly(db: Connection) -> None:
    with taken_back(db):
        seqs = put(
            db, [Job("a", args={"n": 10**30}), Job("b", args={"n": 2**53 + 1}), Job("c", args={"n": 0.1})]
        )
        assert listed(db, "args.n:>1e29", "created") == seqs[:1]
        assert listed(db, "args.n:9007199254740993", "created") == seqs[1:2]
        assert listed(db, "args.n:0.1", "created") == seqs[2:]
