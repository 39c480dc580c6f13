"""Reads through one connection for each thread, without waiting for a writer."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakSet

import apsw

from holdfast.core.dump import Key, Part, Row, Seal
from holdfast.core.errors import StorageRefused
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
from holdfast.storage.sqlite import counts, search
from holdfast.storage.sqlite.connection import FORKED, fetch_all, unavailable
from holdfast.storage.sqlite.copying import rows_of
from holdfast.storage.sqlite.seal import seal_on
from holdfast.storage.sqlite.statements import JOB_COLUMNS, NEXT_DUE
from holdfast.storage.verbs.jobs import MAX_IDS, MAX_N

_LINES_OF: Final = "job = (SELECT seq FROM jobs WHERE id = ?) AND n < ?"
"""The console lines of a job; with MAX_N, all of them."""

_NEXT = "SELECT seq FROM jobs INDEXED BY jobs_ready WHERE state = 'enqueued' AND"
_HEADS = f"""
head (seq, queue, type, priority, since) AS (
    SELECT * FROM (SELECT seq, queue, type, priority, changed_at FROM jobs INDEXED BY jobs_ready
                   WHERE state = 'enqueued' ORDER BY queue, type, priority DESC, seq LIMIT 1)
    UNION ALL
    SELECT following.seq, following.queue, following.type, following.priority, following.changed_at
    FROM head, jobs AS following
    WHERE following.seq = coalesce(
        ({_NEXT} queue = head.queue AND type = head.type AND priority < head.priority ORDER BY priority DESC, seq LIMIT 1),
        ({_NEXT} queue = head.queue AND type > head.type ORDER BY type, priority DESC, seq LIMIT 1),
        ({_NEXT} queue > head.queue ORDER BY queue, type, priority DESC, seq LIMIT 1))
)
"""
"""The first job of each (queue, type, priority) that has enqueued ones: one seek for each, however many jobs wait."""
PARTITIONS = f"""
WITH RECURSIVE {_HEADS}
SELECT queue, type,
       (SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_ready
                              WHERE state = 'enqueued' AND queue = head.queue AND type = head.type LIMIT ?1)),
       since, min(seq)
FROM head GROUP BY queue, type ORDER BY queue, type
"""
"""`since` is that of the row with the least seq."""


class SqliteReader:
    """The reading verbs of `holdfast.storage.protocol`. Safe to use from any thread."""

    def __init__(self, connect: Callable[[], apsw.Connection], clock: Callable[[], int]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._all: WeakSet[apsw.Connection] = WeakSet()  # a thread that ends takes its connection with it
        self._opened_in: int | None = None
        self._lock = threading.Lock()
        self.now = clock

    @contextmanager
    def reading(self) -> Generator[apsw.Connection]:
        """This thread's connection; errors of the library come out in our words."""
        self._check_process()
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._connect()
                connection.execute("PRAGMA query_only=ON")
                self._local.connection = connection
                with self._lock:
                    self._all.add(connection)
            yield connection
        except apsw.Error as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """Close the connections of all threads. One that is in the middle of a statement is told to stop, and goes with its
        thread."""
        with self._lock:
            for connection in list(self._all):
                try:
                    connection.close(True)
                except apsw.ThreadingViolationError:
                    connection.interrupt()
            self._all.clear()
        self._local = threading.local()

    def _check_process(self) -> None:
        if self._opened_in not in (None, os.getpid()):
            raise StorageRefused(FORKED)

    def _rows(self, sql: str, *parameters: apsw.SQLiteValue) -> list[tuple[Any, ...]]:
        with self.reading() as db:
            return fetch_all(db, sql, parameters)

    # -- one job ----------------------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> JobRecord | None:
        rows = self._rows(f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?", job_id)
        return JobRecord._make(rows[0]) if rows else None

    def jobs(self, ids: Sequence[str], query: Query | None = None) -> list[JobRecord]:
        where, parameters = search.condition(query)
        sql = f"SELECT {JOB_COLUMNS} FROM jobs WHERE id IN (SELECT value FROM json_each(?)) AND {where}"
        return [JobRecord._make(row) for row in self._rows(sql, json.dumps(list(ids)[:MAX_IDS]), *parameters)]

    def history(self, job_id: str) -> list[HistoryRecord]:
        sql = """SELECT seq, at, kind, state, reason, actor, attempt, worker FROM history
                 WHERE job = (SELECT seq FROM jobs WHERE id = ?) ORDER BY seq"""
        return [
            HistoryRecord(s, at, EVENT_KINDS[k], state or "", *rest)
            for s, at, k, state, *rest in self._rows(sql, job_id)
        ]

    def saved(self, job_id: str) -> SavedRecord | None:
        rows = self._rows(
            "SELECT saved, at, count FROM saved WHERE job = (SELECT seq FROM jobs WHERE id = ?)", job_id
        )
        return SavedRecord._make(rows[0]) if rows else None

    def logs(self, job_id: str, *, after: int, limit: int, before: int | None = None) -> list[LogRecord]:
        lines = f"SELECT n, at, level, message, fields, attempt FROM logs WHERE {_LINES_OF}"
        until = MAX_N if before is None else before
        if after < 0:
            rows = self._rows(f"{lines} ORDER BY n DESC LIMIT ?", job_id, until, min(-after, limit))[::-1]
        else:
            rows = self._rows(f"{lines} AND n > ? ORDER BY n LIMIT ?", job_id, until, after, limit)
        return [LogRecord._make(row) for row in rows]

    def log_count(self, job_id: str, *, before: int | None = None) -> int:
        until = MAX_N if before is None else before
        return int(self._rows(f"SELECT count(*) FROM logs WHERE {_LINES_OF}", job_id, until)[0][0])

    # -- many jobs --------------------------------------------------------------------------------------------------------

    def search(self, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
        with self.reading() as db:
            return search.page(db, query, sort=sort, limit=limit, cursor=cursor)

    def count(self, query: Query, *, cap: int) -> Count:
        with self.reading() as db:
            return search.count(db, query, cap=cap)

    def count_by_state(self, query: Query, *, cap: int) -> dict[str, Count]:
        with self.reading() as db:
            return search.count_by_state(db, query, cap=cap)

    def states(self) -> dict[str, int]:
        with self.reading() as db:
            counted = counts.states(db)
        return {state.value: counted.get(state.value, 0) for state in State}

    def queues(self) -> list[QueueRecord]:
        with self.reading() as db:
            counted, parameters = counts.queues(db)
            sql = f"""
            WITH RECURSIVE {_HEADS}, oldest AS (SELECT queue, since, min(seq) FROM head GROUP BY queue),
            jobs_of AS MATERIALIZED ({counted}),
            named (name) AS (SELECT queue FROM jobs_of UNION SELECT name FROM queues UNION SELECT queue FROM types)
            SELECT named.name, coalesce(enqueued, 0), coalesce(processing, 0), coalesce(scheduled, 0), coalesce(paused, 0),
                   oldest.since, queues.paused_at, queues.paused_by, queues.paused_reason
            FROM named LEFT JOIN jobs_of ON jobs_of.queue = named.name LEFT JOIN oldest ON oldest.queue = named.name
                 LEFT JOIN queues ON queues.name = named.name
            ORDER BY named.name
            """
            return [QueueRecord._make(row) for row in fetch_all(db, sql, parameters)]

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        return [PartitionRecord._make(row[:4]) for row in self._rows(PARTITIONS, cap)]

    # -- running jobs ------------------------------------------------------------------------------------------------

    def pending_requests(self, workers: Sequence[str]) -> list[Asked]:
        sql = """SELECT seq, token, requested, requested_at FROM jobs
                 WHERE requested IS NOT NULL AND worker IN (SELECT value FROM json_each(?)) AND state = 'processing'"""
        return [Asked._make(row) for row in self._rows(sql, json.dumps(list(workers)))]

    def claims_of(self, worker: str) -> list[tuple[int, int]]:
        sql = "SELECT seq, token FROM jobs WHERE state = 'processing' AND worker = ?"
        return [(int(seq), int(token)) for seq, token in self._rows(sql, worker)]

    def overdue(self, workers: Sequence[str], *, grace: float) -> list[tuple[str, str]]:
        sql = """
        SELECT worker, id FROM jobs WHERE state = 'processing' AND worker IN (SELECT value FROM json_each(?1))
        AND (requested = 'cancel' AND requested_at < ?2 OR crashes < ?3 AND started_at + timeout * 1000000 < ?2)
        """
        limit = self.now() - int(grace * 1_000_000)
        # a suspect may wait for its child: its time has not begun
        asked = (json.dumps(list(workers)), limit, CRASHES_BEFORE_ISOLATION)
        return [(str(worker), str(job)) for worker, job in self._rows(sql, *asked)]

    # -- the whole --------------------------------------------------------------------------------------------------------

    def sealed(self) -> Seal | None:
        with self.reading() as db:
            return seal_on(db)

    def dump(self, part: Part, *, after: Key | None, limit: int) -> Sequence[Row]:
        with self.reading() as db:
            return rows_of(db, part, after, limit)

    # -- the clock and the feed -------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        return self._rows(NEXT_DUE)[0][0]

    def last_event(self) -> int:
        return self._rows("SELECT coalesce(max(seq), 0) FROM events")[0][0]

    def oldest_event(self) -> int:
        return self._rows("SELECT coalesce(min(seq), 0) FROM events WHERE kind >= 2")[0][0]

    def events(self, *, after: int, limit: int) -> list[EventRecord]:
        sql = """
        SELECT events.seq, at, kind, coalesce(jobs.id, CASE WHEN kind = 4 THEN events.reason END), events.state, previous
        FROM events LEFT JOIN jobs ON jobs.seq = events.job WHERE events.seq > ? ORDER BY events.seq LIMIT ?
        """
        rows = self._rows(sql, after, limit)
        return [EventRecord(seq, at, EVENT_KINDS[kind], *rest) for seq, at, kind, *rest in rows]

    def changed(self, *, after: int, ids: Sequence[str]) -> set[str]:
        sql = """
        SELECT id FROM jobs WHERE id IN (SELECT value FROM json_each(?2))
        AND seq IN (SELECT job FROM events WHERE events.seq > ?1 AND job IS NOT NULL)
        UNION ALL SELECT reason FROM events WHERE seq > ?1 AND kind = 4 AND reason IN (SELECT value FROM json_each(?2))
        """
        return {str(job) for (job,) in self._rows(sql, after, json.dumps(list(ids)[:MAX_IDS]))}

    def transition_counts(self, *, after: int) -> dict[tuple[str | None, str | None], int]:
        sql = """SELECT previous, state, count(*) FROM events WHERE seq > ? AND kind IN (0, 4) GROUP BY previous, state"""
        return {(previous, state): count for previous, state, count in self._rows(sql, after)}
