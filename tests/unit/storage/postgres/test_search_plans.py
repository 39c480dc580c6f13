"""No list reads every job: each indexed filter, and each hard combination of them, touches few rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from holdfast.core.query import FIELDS
from holdfast.storage import page_query as pages
from holdfast.storage.page_query import Row
from holdfast.storage.postgres import search
from holdfast.storage.postgres.connection import Connection, run
from holdfast.storage.postgres.search import PostgresSnapshot, snapshot
from tests.unit.storage.search_rows import NOW, ask, us

ROWS = 20_000

# One type has only succeeded, one is only enqueued; the tag `old` has only jobs of the beginning; few are failed.
FILL = f"""
SELECT setseed(0.5);
INSERT INTO lanes (queue, type, priority)
SELECT 'queue' || q, 'type' || t, 0 FROM generate_series(0, 2) AS q, generate_series(0, 7) AS t;
CREATE TEMP TABLE made AS
SELECT n AS seq, 'type' || floor(random() * 8)::int AS type, 'queue' || n % 3 AS queue, random() AS r
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO specs (seq, id, type, queue, priority, args, owner, created_at)
SELECT seq, lpad((seq - 1)::text, 8, '0'), type, queue, 0, '{{}}',
       CASE WHEN r < 0.9 THEN 'user' || floor(random() * 200)::int END, {us(NOW)} + (seq - {ROWS})::bigint * 10000000
FROM made;
INSERT INTO runs (seq, lane, state, max_attempts, changed_at)
SELECT seq, lanes.id, CASE WHEN type = 'type6' THEN 'succeeded' WHEN type = 'type7' THEN 'enqueued'
    WHEN r < 0.7 THEN 'succeeded' WHEN r < 0.95 THEN 'enqueued' WHEN r < 0.99 THEN 'failed' ELSE 'processing' END, 11, 0
FROM made JOIN lanes USING (type, queue);
INSERT INTO job_tags (tag, job) SELECT 'eu', seq FROM made WHERE random() < 0.2
    UNION ALL SELECT 'urgent', seq FROM made WHERE random() < 0.01 UNION ALL SELECT 'old', seq FROM made WHERE seq < 1000;
INSERT INTO counts (lane, state, n) SELECT lane, state, count(*) FROM runs GROUP BY lane, state;
INSERT INTO events (at, kind, job, state) SELECT 0, 0, seq, 'enqueued' FROM made;
ANALYZE
"""


@pytest.fixture(scope="module")
def filled(db: Connection) -> Connection:
    run(db, FILL)
    return db


def touched(plan: dict[str, Any]) -> float:
    """The rows that the nodes of a plan have met in tables and indexes, those that fitted nothing included."""
    here = 0.0
    if "Relation Name" in plan:
        met = (
            plan["Actual Rows"]
            + plan.get("Rows Removed by Filter", 0)
            + plan.get("Rows Removed by Index Recheck", 0)
        )
        here = met * plan["Actual Loops"]
    return here + sum(touched(inner) for inner in plan.get("Plans", ()))


def work(db: Connection, text: str, sort: str, monkeypatch: pytest.MonkeyPatch) -> float:
    """Rows touched for a page: the same on every computer."""
    met = 0.0
    plain = PostgresSnapshot._rows

    def explained(self: PostgresSnapshot, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        nonlocal met
        [[plan]] = plain(self, f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", values)
        met += touched(plan[0]["Plan"])
        return plain(self, sql, values)

    monkeypatch.setattr(PostgresSnapshot, "_rows", explained)
    with snapshot(db) as source:
        pages.page(source, ask(text), sort=sort, limit=50, cursor=None)
    return met


INDEXED = (
    *(
        "state:failed",
        "type:type1",
        "type:type*",
        "queue:queue1",
        "owner:user7",
        "owner:user1*",
        "tag:eu",
        "tag:e*",
    ),
    *("id:00000017", "id:0000001*", "created:>1h", "age:<1h"),
)
HARD = (
    *(
        "",
        "state:succeeded",
        "state:paused",
        "state:processing",
        "type:none",
        "tag:urgent",
        "tag:old",
        "id:000000*",
    ),
    *(
        "id:0*",
        "created:<1h",
        "state:enqueued type:type6",
        "state:succeeded type:type7",
        "state:failed type:type7",
    ),
    *("state:failed queue:queue1", "state:failed owner:user7", "type:type7 owner:user7 state:succeeded"),
    *("tag:urgent state:failed", "tag:old state:paused", "tag:old created:>1h", "state:failed created:>1h"),
    *(
        "-state:succeeded",
        "-type:type1",
        "state:failed OR type:type3",
        "(state:failed OR tag:urgent) owner:user7",
    ),
    *("tag:urgent type:type7 state:succeeded", "schedule:nightly"),
)


def test_each_field_that_is_called_indexed_is_here() -> None:
    assert {text.partition(":")[0] for text in INDEXED} == {
        name for name, field in FIELDS.items() if field.indexed
    }


@pytest.mark.parametrize("text", INDEXED + HARD)
@pytest.mark.parametrize("sort", ["-created", "created"])
def test_a_page_costs_little_whatever_is_combined(
    filled: Connection, text: str, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading all jobs takes some 40,000."""
    assert work(filled, text, sort, monkeypatch) < 6_000


def test_reading_every_job_is_what_the_limit_above_would_notice(
    filled: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert work(filled, "args.nothing:1", "-created", monkeypatch) > 30_000


def test_the_history_is_asked_by_its_index(filled: Connection) -> None:
    where, values = search.PostgresCompiler().compile(ask("wait:>1m").root or pytest.fail("no search"))
    plan = filled.execute(f"EXPLAIN SELECT seq FROM jobs WHERE {where}".encode(), values).fetchall()
    assert any("events_job" in line for (line,) in plan), plan
