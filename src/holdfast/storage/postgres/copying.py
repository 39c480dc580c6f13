"""Reads and loads whole rows, while the database is read-only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from holdfast.core.dump import (
    Key,
    Part,
    Row,
    Seal,
    WholeHistory,
    WholeJob,
    row_of,
    tags_of,
)
from holdfast.core.records import BucketRecord
from holdfast.storage.postgres import statements as sql
from holdfast.storage.postgres.arrays import texts
from holdfast.storage.postgres.connection import LONG_LOCK_MS, Connection, run
from holdfast.storage.postgres.transaction import Transactions

_LOADED = 1_000
"""Rows sent to the server together."""

_JOB = ", ".join(f"jobs.{name.strip()}" for name in sql.JOB_COLUMNS.split(","))
_DUMP: Final = {
    Part.JOBS: (
        "jobs.seq",
        f"{_JOB}, runs.continues, specs.idempotency_key, specs.retention, runs.log_lines "
        "FROM jobs JOIN runs ON runs.seq = jobs.seq JOIN specs ON specs.seq = jobs.seq",
    ),
    Part.SAVED: ("job", "job, saved, at, count FROM saved"),
    Part.LOGS: ("n", "n, job, at, level, message, fields, attempt FROM logs"),
    Part.HISTORY: (
        "seq",
        "seq, job, at, CASE kind WHEN 0 THEN 'state' ELSE 'request' END, state, reason, actor, attempt, worker FROM events",
    ),
    Part.QUEUES: ("name", "name, paused_at, paused_by, paused_reason FROM queues"),
    Part.TYPES: ("name", f"{sql.TYPE_COLUMNS} FROM types"),
    Part.BUCKETS: ("at", "at * 1000000, succeeded, failed, cancelled, started FROM buckets"),
}
"""Key and columns of each part."""

_SPEC = (
    "seq, id, type, queue, priority, args, owner, tags, timeout, unique_key, idempotency_key, retention, "
    "origin, created_at"
)
_RUN = (
    "seq, lane, state, reason, actor, requested, requested_at, requested_by, requested_reason, progress, result, "
    "error_type, error_message, error_traceback, attempt, max_attempts, crashes, token, worker, changed_at, run_at, "
    "started_at, finished_at, expires_at, saved_at, continues, log_lines, lock_key"
)


def _insert(table: str, columns: str, answer: str) -> str:
    values = ", ".join(["%s"] * len(columns.split(",")))
    return f"INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING {answer}"


_LOAD: Final = {
    Part.SAVED: _insert("saved", "job, saved, at, count", "1"),
    Part.LOGS: _insert("logs", "n, job, at, level, message, fields, attempt", "1").replace(
        " VALUES", " OVERRIDING SYSTEM VALUE VALUES"
    ),
    Part.HISTORY: _insert("events", "seq, job, at, kind, state, reason, actor, attempt, worker", "1"),
    Part.QUEUES: _insert("queues", "name, paused_at, paused_by, paused_reason", "1"),
    Part.TYPES: _insert("types", sql.TYPE_COLUMNS, "1"),
    Part.BUCKETS: _insert("buckets", "at, succeeded, failed, cancelled, started", "1"),
}
_NUMBERED: Final = {
    Part.JOBS: "SELECT setval('job_seq', greatest((SELECT last_value FROM job_seq), (SELECT max(seq) FROM specs)))",
    Part.LOGS: "SELECT setval(pg_get_serial_sequence('logs', 'n'), (SELECT max(n) FROM logs))",
    Part.HISTORY: "SELECT setval('event_seq', greatest((SELECT last_value FROM event_seq), (SELECT max(seq) FROM events)))",
}
"""What is added later is numbered above all that was loaded."""
_ROLLED_UP = "UPDATE meta SET value = greatest(value::bigint, %s)::text WHERE name = 'rolled_up'"

_SEALED = "SELECT value FROM meta WHERE name = 'sealed'"
_SEAL = "INSERT INTO meta (name, value) VALUES ('sealed', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_UNSEAL = "DELETE FROM meta WHERE name = 'sealed'"


def seal_on(db: Connection) -> Seal | None:
    """The seal, as this connection sees it."""
    found = db.execute(_SEALED).fetchone()
    return None if found is None else Seal(*json.loads(found[0]))


def rows_of(db: Connection, part: Part, after: Key | None, limit: int) -> Sequence[Row]:
    """Rows of a part in the order of their keys."""
    key, columns = _DUMP[part]
    scale = " * 1000000" if part is Part.BUCKETS else ""
    only = " AND kind < 2" if part is Part.HISTORY else ""
    above = "TRUE" if after is None else f"{key}{scale} > %(after)s"
    statement = f"SELECT {columns} WHERE {above}{only} ORDER BY {key} LIMIT %(limit)s"
    return [
        row_of(part, row) for row in db.execute(sql.constant(statement), {"after": after, "limit": limit})
    ]


class CopyingVerbs:
    """`CopyWrites`."""

    def __init__(self, tx: Transactions) -> None:
        self._tx = tx

    def seal(self, seal: Seal | None) -> None:
        # every transaction that writes holds this lock shared: when it is ours, none is under way
        run(
            self._tx.db,
            f"SET LOCAL lock_timeout = {LONG_LOCK_MS};SELECT pg_advisory_xact_lock({self._tx.seal_lock}::bigint)",
        )
        if seal is None:
            self._tx.db.execute(_UNSEAL)
        else:
            self._tx.db.execute(_SEAL, (json.dumps(seal, ensure_ascii=False),))

    def load(self, part: Part, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        if part is Part.JOBS:
            new = self._load_jobs([row for row in rows if isinstance(row, WholeJob)])
        else:
            new = len(self._insert_rows(_LOAD[part], [_flat(row) for row in rows]))
        if part is Part.HISTORY:
            self._tx.db.execute(_ROLLED_UP, (max(row.seq for row in rows if isinstance(row, WholeHistory)),))
        if part in _NUMBERED:
            run(self._tx.db, _NUMBERED[part])
        return new

    def _load_jobs(self, rows: Sequence[WholeJob]) -> int:
        lanes = self._tx.lane_ids((row.job.queue, row.job.type, row.job.priority) for row in rows)
        specs = [
            tuple((row.job._asdict() | row._asdict())[name.strip()] for name in _SPEC.split(","))
            for row in rows
        ]
        fresh = {seq for (seq,) in self._insert_rows(_insert("specs", _SPEC, "seq"), specs)}
        new = [row for row in rows if row.job.seq in fresh]
        runs: list[tuple[Any, ...]] = []
        for row in new:
            job = row.job
            lane = lanes[job.queue, job.type, job.priority]
            key = (
                None if job.unique_key is None else json.dumps([job.type, job.unique_key], ensure_ascii=False)
            )
            known = job._asdict() | row._asdict() | {"lane": lane, "lock_key": key}
            runs.append(tuple(known[name.strip()] for name in _RUN.split(",")))
            self._tx.count(lane, None, job.state)
        self._insert_rows(_insert("runs", _RUN, "seq"), runs)
        self._tx.db.execute(sql.TAG, (texts([row.job.id for row in new if tags_of(row.job)]),))
        return len(new)

    def _insert_rows(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Insert many rows in few round trips; answers what the statement returns for those that are new."""
        new: list[tuple[Any, ...]] = []
        with self._tx.db.cursor() as cursor:
            for start in range(0, len(rows), _LOADED):
                cursor.executemany(sql.constant(statement), rows[start : start + _LOADED], returning=True)
                while True:
                    new += cursor.fetchall()
                    if not cursor.nextset():
                        break
        return new


def _flat(row: Row) -> tuple[Any, ...]:
    if isinstance(row, WholeHistory):
        return (*row[:3], 0 if row.kind == "state" else 1, *row[4:])
    if isinstance(row, BucketRecord):
        return (row.at // 1_000_000, *row[1:])
    return tuple(row)
