"""Reads from any thread, without waiting for a writer."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from holdfast.core.dump import Key, Part, Row, Seal
from holdfast.core.errors import StorageRefused, StorageUnavailable
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
from holdfast.storage.mysql import statements
from holdfast.storage.mysql.address import Address
from holdfast.storage.mysql.connection import FORKED, ReadingPool
from holdfast.storage.mysql.connection import Row as Values
from holdfast.storage.mysql.copying import SEALED, dump_statement, read_row
from holdfast.storage.mysql.literals import Value
from holdfast.storage.mysql.search import MysqlSnapshot, snapshot
from holdfast.storage.mysql.statements import JOB_COLUMNS, NEWEST, NEXT_DUE
from holdfast.storage.server_clock import ServerClock, since_boot
from holdfast.storage.verbs.jobs import MAX_IDS, MAX_N

T = TypeVar("T")

_LINES_OF: Final = "job = (SELECT seq FROM jobs WHERE id = %s) AND n < %s"
"""The console lines of a job; with MAX_N, all of them."""

PARTITIONS: Final = """
SELECT first.queue, first.type, least(counts.n, %s), jobs.changed_at
FROM (
    SELECT queue, type, min(job) AS job FROM (
        SELECT queue, type, turn, min(job) AS job FROM ready GROUP BY queue, type, turn
    ) AS heads GROUP BY queue, type
) AS first
JOIN jobs ON jobs.seq = first.job
JOIN counts ON counts.queue = first.queue AND counts.type = first.type AND counts.state = 'enqueued'
ORDER BY first.queue, first.type
"""
"""The innermost is a loose scan of the primary key: one seek for each (queue, type, priority) that has jobs."""


class MysqlReader:
    """The reading verbs of `holdfast.storage.protocol`. Safe to use from any thread."""

    def __init__(self, address: Address, clock: Callable[[], int] | None, server_clock: ServerClock) -> None:
        self._pool = ReadingPool(address)
        self._fixed_clock = clock
        self._reader_clock = server_clock
        self._opened_in: int | None = None

    def now(self) -> int:
        if self._fixed_clock is not None:
            return self._fixed_clock()
        if self._reader_clock.stale:
            asked = since_boot()
            self._reader_clock.set(int(self._rows(f"SELECT {statements.TIME}")[0][0]), asked)
        return self._reader_clock()

    def close_reading(self) -> None:
        """Close the reading connections; those in use go when they come back."""
        self._pool.close()

    def _check_process(self) -> None:
        if self._opened_in not in (None, os.getpid()):
            raise StorageRefused(FORKED)

    def _rows(self, sql: str, *values: Value) -> list[Values]:
        def ask() -> list[Values]:
            with self._pool.lend() as db, db.cursor() as cursor:
                cursor.execute(sql, values or None)
                return list(cursor.fetchall())

        return self._twice(ask)

    def _searched(self, ask: Callable[[MysqlSnapshot], T]) -> T:
        def once() -> T:
            with self._snapshot() as found:
                return ask(found)

        return self._twice(once)

    @contextmanager
    def _snapshot(self) -> Generator[MysqlSnapshot]:
        with self._pool.lend() as db, snapshot(db) as found:
            yield found

    def _twice(self, ask: Callable[[], T]) -> T:
        """To look is safe to repeat: a connection that was lost while it was idle is nobody's business."""
        self._check_process()
        try:
            return ask()
        except StorageUnavailable:
            self._pool.forget_idle()
            return ask()

    # -- one job ----------------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> JobRecord | None:
        rows = self._rows(f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = %s", job_id)
        return JobRecord._make(rows[0]) if rows else None

    def jobs(self, ids: Sequence[str], query: Query | None = None) -> list[JobRecord]:
        if not ids:
            return []
        text, values = "TRUE", ()
        if query is not None and query.root is not None:
            text, values = MysqlSnapshot.compiler.compile(query.root)
        several = ", ".join(["%s"] * len(ids[:MAX_IDS]))
        sql = f"SELECT {JOB_COLUMNS} FROM jobs WHERE id IN ({several}) AND ({text}) IS TRUE"
        return [JobRecord._make(row) for row in self._rows(sql, *ids[:MAX_IDS], *values)]

    def history(self, job_id: str) -> list[HistoryRecord]:
        sql = """SELECT seq, at, kind, state, reason, actor, attempt, worker FROM events
                 WHERE job = (SELECT seq FROM jobs WHERE id = %s) AND kind < 2 ORDER BY seq"""
        return [
            HistoryRecord(s, at, EVENT_KINDS[k], state or "", *rest)
            for s, at, k, state, *rest in self._rows(sql, job_id)
        ]

    def saved(self, job_id: str) -> SavedRecord | None:
        sql = "SELECT saved, at, times FROM saved WHERE job = (SELECT seq FROM jobs WHERE id = %s)"
        rows = self._rows(sql, job_id)
        return SavedRecord._make(rows[0]) if rows else None

    def logs(self, job_id: str, *, after: int, limit: int, before: int | None = None) -> list[LogRecord]:
        lines = f"SELECT n, at, level, message, fields, attempt FROM logs WHERE {_LINES_OF}"
        until = MAX_N if before is None else before
        if after < 0:
            rows = self._rows(f"{lines} ORDER BY n DESC LIMIT %s", job_id, until, min(-after, limit))[::-1]
        else:
            rows = self._rows(f"{lines} AND n > %s ORDER BY n LIMIT %s", job_id, until, after, limit)
        return [LogRecord._make(row) for row in rows]

    def log_count(self, job_id: str, *, before: int | None = None) -> int:
        until = MAX_N if before is None else before
        return int(self._rows(f"SELECT count(*) FROM logs WHERE {_LINES_OF}", job_id, until)[0][0])

    # -- many jobs --------------------------------------------------------------------------------------------------------

    def search(self, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
        return self._searched(lambda found: pages.page(found, query, sort=sort, limit=limit, cursor=cursor))

    def count(self, query: Query, *, cap: int) -> Count:
        return self._searched(lambda found: pages.count(found, query, cap=cap))

    def count_by_state(self, query: Query, *, cap: int) -> dict[str, Count]:
        return self._searched(lambda found: pages.count_by_state(found, query, cap=cap))

    def states(self) -> dict[str, int]:
        counted = dict(self._rows("SELECT state, CAST(sum(n) AS SIGNED) FROM counts GROUP BY state"))
        return {state.value: counted.get(state.value, 0) for state in State}

    def queues(self) -> list[QueueRecord]:
        sql = """
        SELECT named.name,
               coalesce(sum(IF(state = 'enqueued', n, 0)), 0), coalesce(sum(IF(state = 'processing', n, 0)), 0),
               coalesce(sum(IF(state = 'scheduled', n, 0)), 0), coalesce(sum(IF(state = 'paused', n, 0)), 0),
               (SELECT changed_at FROM jobs WHERE seq = (SELECT min(job) FROM ready WHERE ready.queue = named.name)),
               max(queues.paused_at), max(queues.paused_by), max(queues.paused_reason)
        FROM (
            SELECT queue AS name FROM counts WHERE n > 0 UNION SELECT name FROM queues UNION SELECT queue FROM types
        ) AS named
        LEFT JOIN counts ON counts.queue = named.name LEFT JOIN queues ON queues.name = named.name
        GROUP BY named.name ORDER BY named.name
        """
        return [
            QueueRecord(name, int(enqueued), int(processing), int(scheduled), int(paused), *rest)
            for name, enqueued, processing, scheduled, paused, *rest in self._rows(sql)
        ]

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        return [PartitionRecord._make(row) for row in self._rows(PARTITIONS, cap)]

    # -- running jobs ------------------------------------------------------------------------------------------------

    def pending_requests(self, workers: Sequence[str]) -> list[Asked]:
        if not workers:
            return []
        several = ", ".join(["%s"] * len(workers))
        sql = f"""SELECT seq, token, requested, requested_at FROM jobs
                  WHERE state = 'processing' AND requested IS NOT NULL AND worker IN ({several})"""
        return [Asked._make(row) for row in self._rows(sql, *workers)]

    def claims_of(self, worker: str) -> list[tuple[int, int]]:
        sql = "SELECT seq, token FROM jobs WHERE state = 'processing' AND worker = %s"
        return [(int(seq), int(token)) for seq, token in self._rows(sql, worker)]

    def overdue(self, workers: Sequence[str], *, grace: float) -> list[tuple[str, str]]:
        if not workers:
            return []
        several = ", ".join(["%s"] * len(workers))
        sql = f"""
        SELECT worker, id FROM jobs WHERE state = 'processing' AND worker IN ({several})
        AND (requested = 'cancel' AND requested_at < %s OR crashes < %s AND started_at + timeout * 1000000 < %s)
        """
        limit = self.now() - int(grace * 1_000_000)
        # a suspect may wait for its child: its time has not begun
        rows = self._rows(sql, *workers, limit, CRASHES_BEFORE_ISOLATION, limit)
        return [(str(worker), str(job)) for worker, job in rows]

    def write_lock_holder(self) -> tuple[int, int] | None:
        return None  # rows are locked, not the database: nobody stops all the others

    # -- the whole --------------------------------------------------------------------------------------------------------

    def sealed(self) -> Seal | None:
        rows = self._rows(SEALED)
        return Seal._make(rows[0]) if rows else None

    def dump(self, part: Part, *, after: Key | None, limit: int) -> Sequence[Row]:
        sql, values = dump_statement(part, after, limit)
        return [read_row(part, row) for row in self._rows(sql, *values)]

    # -- the clock and the feed -------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        return self._rows(NEXT_DUE)[0][0]

    def last_event(self) -> int:
        return self._rows(NEWEST)[0][0]

    def oldest_event(self) -> int:
        return self._rows("SELECT value FROM meta WHERE name = 'oldest_event'")[0][0]

    def events(self, *, after: int, limit: int) -> list[EventRecord]:
        sql = """
        SELECT events.seq, at, kind, coalesce(jobs.id, IF(kind = 4, events.reason, NULL)), events.state, previous
        FROM events LEFT JOIN jobs ON jobs.seq = events.job WHERE events.seq > %s ORDER BY events.seq LIMIT %s
        """
        rows = self._rows(sql, after, limit)
        return [EventRecord(seq, at, EVENT_KINDS[kind], *rest) for seq, at, kind, *rest in rows]

    def changed(self, *, after: int, ids: Sequence[str]) -> set[str]:
        if not ids:
            return set()
        several = ", ".join(["%s"] * len(ids[:MAX_IDS]))
        sql = f"""
        SELECT id FROM jobs WHERE id IN ({several})
        AND EXISTS (SELECT 1 FROM events WHERE events.job = jobs.seq AND events.seq > %s)
        UNION ALL SELECT reason FROM events WHERE seq > %s AND kind = 4 AND reason IN ({several})
        """
        wanted = ids[:MAX_IDS]
        return {str(job) for (job,) in self._rows(sql, *wanted, after, after, *wanted)}

    def transition_counts(self, *, after: int) -> dict[tuple[str | None, str | None], int]:
        sql = "SELECT previous, state, count(*) FROM events WHERE seq > %s AND kind IN (0, 4) GROUP BY previous, state"
        return {(previous, state): count for previous, state, count in self._rows(sql, after)}
