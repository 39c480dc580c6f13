"""Reads through a few connections that the threads of a process share; a dead one is replaced within the call."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

import psycopg

from holdfast.core.dump import Key, Part, Row, Seal
from holdfast.core.job import CRASHES_BEFORE_ISOLATION
from holdfast.core.query import Query
from holdfast.core.records import (
    EVENT_KINDS,
    Asked,
    Count,
    EventRecord,
    HistoryRecord,
    JobRecord,
    LogRecord,
    Page,
    PartitionRecord,
    QueueRecord,
    SavedRecord,
)
from holdfast.core.states import State
from holdfast.storage import page_query as pages
from holdfast.storage.postgres.compiler import PostgresCompiler
from holdfast.storage.postgres.connection import READERS, Connection
from holdfast.storage.postgres.copying import rows_of, seal_on
from holdfast.storage.postgres.search import JOB_COLUMNS, snapshot
from holdfast.storage.server_clock import ServerClock, since_boot
from holdfast.storage.verbs.jobs import MAX_IDS, MAX_N

T = TypeVar("T")


NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
HORIZON: Final = "SELECT horizon()"
"""Read in a statement of its own: what commits between it and the next statement lies above it, or is seen by both."""

OLDEST: Final = """
SELECT coalesce(min(seq), 0) FROM (SELECT seq FROM events WHERE kind >= 2 ORDER BY at LIMIT 10000) AS oldest
"""
"""Clocks of hosts do not differ by as much as 10,000 events take."""

QUEUES: Final = """
WITH kept AS MATERIALIZED (
    SELECT lane, state, sum(n) AS n FROM counts GROUP BY lane, state HAVING sum(n) > 0
), counted AS (
    SELECT lanes.queue AS name, coalesce(sum(n) FILTER (WHERE state = 'enqueued'), 0) AS enqueued,
           coalesce(sum(n) FILTER (WHERE state = 'processing'), 0) AS processing,
           coalesce(sum(n) FILTER (WHERE state = 'scheduled'), 0) AS scheduled,
           coalesce(sum(n) FILTER (WHERE state = 'paused'), 0) AS paused
    FROM kept JOIN lanes ON lanes.id = kept.lane GROUP BY lanes.queue
), heads AS (
    SELECT lanes.queue AS name, min(head.seq) AS seq
    FROM kept JOIN lanes ON lanes.id = kept.lane CROSS JOIN LATERAL (
        SELECT seq FROM runs WHERE runs.state = 'enqueued' AND runs.lane = kept.lane ORDER BY seq LIMIT 1
    ) AS head
    WHERE kept.state = 'enqueued' GROUP BY lanes.queue
), named AS (
    SELECT name FROM counted UNION SELECT name FROM queues UNION SELECT queue FROM types
)
SELECT named.name, coalesce(enqueued, 0)::bigint, coalesce(processing, 0)::bigint, coalesce(scheduled, 0)::bigint,
       coalesce(paused, 0)::bigint, (SELECT changed_at FROM runs WHERE runs.seq = heads.seq),
       queues.paused_at, queues.paused_by, queues.paused_reason
FROM named LEFT JOIN counted USING (name) LEFT JOIN heads USING (name) LEFT JOIN queues USING (name) ORDER BY named.name
"""

PARTITIONS: Final = """
WITH kept AS MATERIALIZED (
    SELECT lane, sum(n) AS n FROM counts WHERE state = 'enqueued' GROUP BY lane HAVING sum(n) > 0
)
SELECT lanes.queue, lanes.type, least(sum(kept.n), %s)::bigint, (array_agg(head.changed_at ORDER BY head.seq))[1]
FROM kept JOIN lanes ON lanes.id = kept.lane CROSS JOIN LATERAL (
    SELECT seq, changed_at FROM runs WHERE runs.state = 'enqueued' AND runs.lane = kept.lane ORDER BY seq LIMIT 1
) AS head
GROUP BY lanes.queue, lanes.type ORDER BY lanes.queue, lanes.type
"""

EVENTS: Final = """
SELECT events.seq, events.at, events.kind, coalesce(specs.id, CASE WHEN events.kind = 4 THEN events.reason END),
       events.state, events.previous
FROM events LEFT JOIN specs ON specs.seq = events.job
WHERE events.seq > %s AND events.seq <= %s ORDER BY events.seq LIMIT %s
"""
CHANGED: Final = """
SELECT id FROM specs WHERE id = ANY(%(ids)s::text[])
AND seq IN (SELECT job FROM events WHERE events.seq > %(after)s AND events.seq <= %(until)s)
UNION ALL
SELECT reason FROM events WHERE seq > %(after)s AND seq <= %(until)s AND kind = 4 AND reason = ANY(%(ids)s::text[])
"""

_LINES_OF: Final = "job = (SELECT seq FROM specs WHERE id = ANY(%s::text[])) AND n < %s"
"""The console lines of a job; with MAX_N, all of them."""


class PostgresReader:
    """The reading verbs of `holdfast.storage.protocol`. Safe to use from any thread."""

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Connection]],
        clock: Callable[[], int] | None,
        server_clock: ServerClock,
    ) -> None:
        """`reading` lends a connection in autocommit, or in a transaction of its own in front of a pooler."""
        self._reading = reading
        self._test_clock = clock
        self._server_clock = server_clock

    def _ask(self, question: Callable[[Connection], T]) -> T:
        """The answer; asked again on another connection where one had been lost, which all that are idle may have been."""
        for _ in range(READERS):
            with self._reading() as db:
                try:
                    return question(db)
                except psycopg.OperationalError:
                    if not db.broken:
                        raise
        with self._reading() as db:
            return question(db)

    def _rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        return self._ask(lambda db: db.execute(sql.encode(), parameters).fetchall())

    def _below_horizon(self, sql: str, parameters: Callable[[int], Any]) -> list[tuple[Any, ...]]:
        """The rows of a question about events, asked with the horizon."""

        def question(db: Connection) -> list[tuple[Any, ...]]:
            ((horizon,),) = db.execute(HORIZON).fetchall()
            return db.execute(sql.encode(), parameters(horizon)).fetchall()

        return self._ask(question)

    def now(self) -> int:
        if self._test_clock is not None:
            return self._test_clock()
        if self._server_clock.stale:
            asked = since_boot()
            self._server_clock.set(int(self._rows(f"SELECT {NOW}")[0][0]), asked)
        return self._server_clock()

    # -- one job ----------------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> JobRecord | None:
        found = self.jobs([job_id])
        return found[0] if found else None

    def jobs(self, ids: Sequence[str], query: Query | None = None) -> list[JobRecord]:
        text, values = ("TRUE", ()) if query is None or query.root is None else _COMPILER.compile(query.root)
        sql = f"SELECT {JOB_COLUMNS} FROM jobs WHERE jobs.id = ANY(%s::text[]) AND ({text})"
        return [JobRecord._make(row) for row in self._rows(sql, (_storable(ids), *values))]

    def history(self, job_id: str) -> list[HistoryRecord]:
        sql = """SELECT seq, at, kind, state, reason, actor, attempt, worker FROM events
                 WHERE job = (SELECT seq FROM specs WHERE id = ANY(%s::text[])) AND kind < 2 ORDER BY seq"""
        return [
            HistoryRecord(s, at, EVENT_KINDS[kind], state or "", *rest)
            for s, at, kind, state, *rest in self._rows(sql, (_storable([job_id]),))
        ]

    def saved(self, job_id: str) -> SavedRecord | None:
        sql = "SELECT saved, at, count FROM saved WHERE job = (SELECT seq FROM specs WHERE id = ANY(%s::text[]))"
        rows = self._rows(sql, (_storable([job_id]),))
        return SavedRecord._make(rows[0]) if rows else None

    def logs(self, job_id: str, *, after: int, limit: int, before: int | None = None) -> list[LogRecord]:
        lines = f"SELECT n, at, level, message, fields, attempt FROM logs WHERE {_LINES_OF}"
        of_job = (_storable([job_id]), MAX_N if before is None else before)
        if after < 0:
            rows = self._rows(f"{lines} ORDER BY n DESC LIMIT %s", (*of_job, min(-after, limit)))[::-1]
        else:
            rows = self._rows(f"{lines} AND n > %s ORDER BY n LIMIT %s", (*of_job, after, limit))
        return [LogRecord._make(row) for row in rows]

    def log_count(self, job_id: str, *, before: int | None = None) -> int:
        of_job = (_storable([job_id]), MAX_N if before is None else before)
        return int(self._rows(f"SELECT count(*) FROM logs WHERE {_LINES_OF}", of_job)[0][0])

    # -- many jobs --------------------------------------------------------------------------------------------------------

    def search(self, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
        return self._search(lambda source: pages.page(source, query, sort=sort, limit=limit, cursor=cursor))

    def count(self, query: Query, *, cap: int) -> Count:
        return self._search(lambda source: pages.count(source, query, cap=cap))

    def count_by_state(self, query: Query, *, cap: int) -> dict[str, Count]:
        return self._search(lambda source: pages.count_by_state(source, query, cap=cap))

    def _search(self, question: Callable[[pages.Source], T]) -> T:
        def within(db: Connection) -> T:
            with snapshot(db) as source:
                return question(source)

        return self._ask(within)

    def states(self) -> dict[str, int]:
        counted = dict(self._rows("SELECT state, sum(n)::bigint FROM counts GROUP BY state"))
        return {state.value: counted.get(state.value, 0) for state in State}

    def queues(self) -> list[QueueRecord]:
        return [QueueRecord._make(row) for row in self._rows(QUEUES)]

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        return [PartitionRecord._make(row) for row in self._rows(PARTITIONS, (cap,))]

    # -- running jobs ------------------------------------------------------------------------------------------------

    def pending_requests(self, workers: Sequence[str]) -> list[Asked]:
        sql = """SELECT seq, token, requested, requested_at FROM runs
                 WHERE requested IS NOT NULL AND worker = ANY(%s::text[]) AND state = 'processing'"""
        return [Asked._make(row) for row in self._rows(sql, (list(workers),))]

    def claims_of(self, worker: str) -> list[tuple[int, int]]:
        sql = "SELECT seq, token FROM runs WHERE state = 'processing' AND worker = %s"
        return [(int(seq), int(token)) for seq, token in self._rows(sql, (worker,))]

    def overdue(self, workers: Sequence[str], *, grace: float) -> list[tuple[str, str]]:
        # a suspect may wait for its child: its time has not begun
        sql = """
        SELECT worker, id FROM jobs WHERE state = 'processing' AND worker = ANY(%(workers)s::text[]) AND (
            requested = 'cancel' AND requested_at < %(limit)s
            OR crashes < %(suspect)s AND started_at + timeout * 1000000 < %(limit)s)
        """
        asked = {
            "workers": list(workers),
            "limit": self.now() - int(grace * 1_000_000),
            "suspect": CRASHES_BEFORE_ISOLATION,
        }
        return [(str(worker), str(job)) for worker, job in self._rows(sql, asked)]

    def write_lock_holder(self) -> tuple[int, int] | None:
        """None: a writer does not stop the others."""
        return None

    # -- the clock and the feed -------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        return self._rows("SELECT min(run_at) FROM runs WHERE state = 'scheduled'")[0][0]

    def last_event(self) -> int:
        sql = "SELECT seq FROM events WHERE seq <= %s ORDER BY seq DESC LIMIT 1"
        rows = self._below_horizon(sql, lambda horizon: (horizon,))
        return rows[0][0] if rows else 0

    def oldest_event(self) -> int:
        return self._rows(OLDEST)[0][0]

    def events(self, *, after: int, limit: int) -> list[EventRecord]:
        rows = self._below_horizon(EVENTS, lambda horizon: (after, horizon, limit))
        return [EventRecord(seq, at, EVENT_KINDS[kind], *rest) for seq, at, kind, *rest in rows]

    def changed(self, *, after: int, ids: Sequence[str]) -> set[str]:
        asked = {"after": after, "ids": _storable(ids)}
        rows = self._below_horizon(CHANGED, lambda horizon: asked | {"until": horizon})
        return {str(job) for (job,) in rows}

    def transition_counts(self, *, after: int) -> dict[tuple[str | None, str | None], int]:
        sql = """SELECT previous, state, count(*) FROM events
                 WHERE seq > %s AND seq <= %s AND kind IN (0, 4) GROUP BY previous, state"""
        rows = self._below_horizon(sql, lambda horizon: (after, horizon))
        return {(previous, state): jobs for previous, state, jobs in rows}

    # -- copies -----------------------------------------------------------------------------------------------------------

    def sealed(self) -> Seal | None:
        return self._ask(seal_on)

    def dump(self, part: Part, *, after: Key | None, limit: int) -> Sequence[Row]:
        return self._ask(lambda db: rows_of(db, part, after, limit))


_COMPILER: Final = PostgresCompiler()
_NOT_TEXT: Final = re.compile("[\0\ud800-\udfff]")


def _storable(ids: Sequence[str]) -> list[str]:
    """Those that can be the id of a job at all: the driver refuses NUL and lone surrogates."""
    return [text for text in ids[:MAX_IDS] if not _NOT_TEXT.search(text)]
