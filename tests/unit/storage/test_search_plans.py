"""No list reads every job: each indexed filter goes through its index, in order, and does little work in hard cases too."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from holdfast.core.query import FIELDS
from holdfast.storage.sqlite import search
from holdfast.storage.sqlite import statements as sql
from tests.unit.storage.search_rows import NOW, Job, ask, connect, put, us

ROWS = 20_000
TYPES = [f"type{n}" for n in range(8)]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """One type has only succeeded, one is only enqueued; the tag `old` has only jobs of the beginning; few are failed."""
    connection = connect(tmp_path_factory.mktemp("plans"))
    connection.execute("PRAGMA synchronous=OFF")
    r = random.Random(1)

    def job(n: int) -> Job:
        type_ = r.choice(TYPES)
        state = r.choices(("succeeded", "enqueued", "failed", "processing"), (70, 25, 4, 1))[0]
        state = {"type6": "succeeded", "type7": "enqueued"}.get(type_, state)
        tags = tuple(tag for tag, share in (("eu", 0.2), ("urgent", 0.01)) if r.random() < share)
        return Job(
            id=f"{n:08}",
            type=type_,
            queue=f"queue{n % 3}",
            state=state,
            owner=f"user{r.randrange(200)}" if r.random() < 0.9 else None,
            tags=(*tags, "old") if n < 1000 else tags,
            created_at=us(NOW) + (n - ROWS) * 10_000_000,
        )

    put(connection, (job(n) for n in range(ROWS)))
    yield connection
    connection.close()


def statements(db: apsw.Connection, text: str, sort: str = "-created") -> list[tuple[str, Any]]:
    """What a page runs."""
    ran: list[tuple[str, Any]] = []

    def trace(_: apsw.Cursor, statement: str, bindings: Any) -> bool:
        ran.append((statement, bindings))
        return True

    db.exec_trace = trace
    try:
        search.page(db, ask(text), sort=sort, limit=50, cursor=None)
    finally:
        db.exec_trace = None
    return [(statement, bindings) for statement, bindings in ran if "SELECT" in statement]


def plan(db: apsw.Connection, statement: str, bindings: Any) -> list[str]:
    return [str(row[3]) for row in db.execute("EXPLAIN QUERY PLAN " + statement, bindings)]


def work(db: apsw.Connection, text: str, sort: str = "-created") -> int:
    """Steps of the database's machine for a page, in tens: the same on every computer."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    db.set_progress_handler(count, 10)
    try:
        search.page(db, ask(text), sort=sort, limit=50, cursor=None)
    finally:
        db.set_progress_handler(None)
    return steps


INDEXES = {
    "state:failed": "jobs_lane (state=? AND queue=? AND type=? AND seq>? AND seq<?)",
    "state:enqueued": "jobs_ready (queue=? AND type=? AND priority=? AND seq>? AND seq<?)",
    "state:processing": "jobs_running (queue=? AND type=? AND seq>? AND seq<?)",
    "type:type1": "jobs_lane (state=? AND queue=? AND type=? AND seq>? AND seq<?)",
    "type:type*": "jobs_lane (state=? AND queue=? AND type=? AND seq>? AND seq<?)",
    "queue:queue1": "jobs_lane (state=? AND queue=? AND type=? AND seq>? AND seq<?)",
    "owner:user7": "jobs_owner (owner=? AND seq>? AND seq<?)",
    "owner:user1*": "jobs_owner (owner=? AND seq>? AND seq<?)",
    "tag:eu": "PRIMARY KEY (tag=? AND job>? AND job<?)",
    "tag:e*": "PRIMARY KEY (tag=? AND job>? AND job<?)",
    "id:00000017": "sqlite_autoindex_jobs_1 (id=?",
    "id:0000001*": "sqlite_autoindex_jobs_1 (id>? AND id<?)",
    "created:>1h": "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "age:<1h": "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
}


def test_each_field_that_is_called_indexed_is_here() -> None:
    assert {text.partition(":")[0] for text in INDEXES} == {
        name for name, field in FIELDS.items() if field.indexed
    }


@pytest.mark.parametrize("text", INDEXES)
def test_an_indexed_filter_uses_its_index_and_sorts_nothing(db: apsw.Connection, text: str) -> None:
    plans = [(statement, plan(db, statement, bindings)) for statement, bindings in statements(db, text)]
    steps = [step for _, found in plans for step in found]
    # Reading a table from end to end is only right for its newest rows, or to start at a place.
    assert [step for step in steps if step.startswith("SCAN jobs") or "SCAN job_tags" in step] == []
    assert any(INDEXES[text] in step for step in steps), steps
    if not text.startswith("id:"):
        assert not [step for step in steps if "TEMP B-TREE" in step]


HARD = (
    *(
        "",
        "state:succeeded",
        "state:failed",
        "state:paused",
        "state:processing",
        "type:type1",
        "queue:queue2",
        "type:none",
    ),
    *(
        "owner:user7",
        "tag:eu",
        "tag:urgent",
        "tag:old",
        "id:00000017",
        "id:000000*",
        "id:0*",
        "created:>1h",
        "created:<1h",
    ),
    *(
        "state:enqueued type:type6",
        "state:succeeded type:type7",
        "state:failed type:type7",
        "state:failed queue:queue1",
    ),
    *(
        "state:failed owner:user7",
        "type:type7 owner:user7 state:succeeded",
        "tag:urgent state:failed",
        "tag:old state:paused",
    ),
    *(
        "tag:old created:>1h",
        "state:failed created:>1h",
        "-state:succeeded",
        "-type:type1",
        "state:failed OR type:type3",
    ),
    *(
        "(state:failed OR tag:urgent) owner:user7",
        "tag:urgent type:type7 state:succeeded",
        "schedule:nightly",
    ),
)


@pytest.mark.parametrize("text", HARD)
@pytest.mark.parametrize("sort", ["-created", "created"])
def test_a_page_costs_little_whatever_is_combined(db: apsw.Connection, text: str, sort: str) -> None:
    """Reading all jobs takes some 46,000."""
    assert work(db, text, sort) < 2_500


def test_reading_every_job_is_what_the_limit_above_would_notice(db: apsw.Connection) -> None:
    assert work(db, "args.nothing:1") > 25_000


def test_the_history_is_asked_by_its_index(db: apsw.Connection) -> None:
    where, values = search.condition(ask("wait:>1m"))
    steps = plan(db, f"SELECT seq FROM jobs WHERE {where}", values)
    assert any("events USING INDEX events_job" in step for step in steps), steps


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (sql.NEXT_DUE, "jobs_due"),
        (sql.PROMOTE, "jobs_due (run_at<?)"),
        (sql.FIND_SAME, "jobs_unique (type=? AND unique_key=?)"),
    ],
)
def test_what_is_asked_all_the_time_has_its_index(db: apsw.Connection, statement: str, index: str) -> None:
    parameters = max((n for n in range(1, 9) if f"?{n}" in statement), default=0)
    steps = plan(db, statement, [None] * parameters)
    assert any(index in step for step in steps), steps
