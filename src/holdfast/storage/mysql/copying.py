"""Reads and loads whole rows, while the database is read-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from holdfast.core.dump import (
    Key,
    Part,
    Row,
    Seal,
    WholeHistory,
    WholeJob,
    key_of,
    row_of,
    tags_of,
)
from holdfast.core.records import EVENT_KINDS, BucketRecord
from holdfast.core.states import ACTIVE_STATES, FINAL_STATES, State
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.literals import Value, listed, rows
from holdfast.storage.mysql.transaction import WritingSession

_OWN: Final = "continues, idempotency_key, retention, log_lines"

_PARTS: Final = {
    Part.JOBS: ("jobs", "seq", f"{sql.JOB_COLUMNS}, {_OWN}"),
    Part.SAVED: ("saved", "job", "job, saved, at, times"),
    Part.LOGS: ("logs", "n", "n, job, at, level, message, fields, attempt"),
    Part.HISTORY: ("events", "seq", "seq, job, at, kind, state, reason, actor, attempt, worker"),
    Part.QUEUES: ("queues", "name", "name, paused_at, paused_by, paused_reason"),
    Part.TYPES: ("types", "name", sql.TYPE_COLUMNS),
    Part.BUCKETS: ("buckets", "at", "at, succeeded, failed, cancelled, started"),
}
"""Table, key and columns of each part."""

TEN_SECONDS: Final = 1_000_000
SEALED: Final = "SELECT copy, words FROM seal WHERE one = 1 AND words IS NOT NULL"


def dump_statement(part: Part, after: Key | None, limit: int) -> tuple[str, tuple[Value, ...]]:
    """The statement that reads rows of a part in the order of their keys, and its values."""
    table, key, columns = _PARTS[part]
    if part is Part.BUCKETS and isinstance(after, int):
        after //= TEN_SECONDS
    only = " AND kind < 2" if part is Part.HISTORY else ""
    above, values = ("TRUE", ()) if after is None else (f"{key} > %s", (after,))
    return f"SELECT {columns} FROM {table} WHERE {above}{only} ORDER BY {key} LIMIT %s", (*values, limit)


def read_row(part: Part, row: tuple[Any, ...]) -> Row:
    """A row of a part as it travels."""
    if part is Part.HISTORY:
        return row_of(part, (*row[:3], EVENT_KINDS[int(row[3])], row[4] or "", *row[5:]))
    if part is Part.BUCKETS:
        return row_of(part, (row[0] * TEN_SECONDS, *row[1:]))
    return row_of(part, row)


def _flat(row: Row) -> tuple[Value, ...]:
    match row:
        case WholeJob():
            return (*row.job, int(row.continues), *row[2:])
        case WholeHistory():
            return (*row[:3], EVENT_KINDS.index(row.kind), *row[4:])
        case BucketRecord():
            return (row.at // TEN_SECONDS, *row[1:])
        case _:
            return tuple(row)


class CopyingVerbs:
    """`CopyWrites`."""

    def __init__(self, tx: WritingSession) -> None:
        self._tx = tx

    def seal(self, seal: Seal | None) -> None:
        copy, words = (None, None) if seal is None else seal
        self._tx.write("UPDATE seal SET copy = %s, words = %s WHERE one = 1", copy, words)

    def load(self, part: Part, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        table, key, columns = _PARTS[part]
        keys = [_flat(row)[0] for row in rows]
        there = {k for (k,) in self._tx.run(f"SELECT {key} FROM {table} WHERE {key} IN {listed(keys)}")}
        fresh = [row for row, k in zip(rows, keys, strict=True) if k not in there]
        for one in fresh:  # each by itself: a row may be as large as a statement
            self._tx.write(f"INSERT INTO {table} ({columns}) VALUES {_written(one)}")
        if part is Part.JOBS:
            self._load_beside([row for row in fresh if isinstance(row, WholeJob)])
        elif part is Part.HISTORY:
            self._number_above(cast(int, key_of(rows[-1])))
        return len(fresh)

    def _load_beside(self, jobs: Sequence[WholeJob]) -> None:
        """What stands beside the rows of jobs."""
        records = [whole.job for whole in jobs]
        enqueued = [job for job in records if job.state == State.ENQUEUED]
        self._tx.make_ready([(job.queue, job.type, job.priority, job.seq) for job in enqueued])
        scheduled = [(job.run_at, job.seq) for job in records if job.state == State.SCHEDULED]
        self._tx.note_times(sql.INSERT_DUE, scheduled)
        ended = [(job.expires_at, job.seq) for job in records if job.state in FINAL_STATES]
        self._tx.note_times(sql.INSERT_EXPIRY, ended)
        tags = [(tag, job.seq) for job in records if job.tags for tag in tags_of(job) or ()]
        if tags:
            self._tx.write(sql.INSERT_TAGS + rows(tags))
        for whole in jobs:
            job = whole.job
            if job.unique_key is not None and job.state in ACTIVE_STATES:
                self._tx.write(sql.HOLD_UNIQUE, job.type, job.unique_key, job.id)
            if whole.idempotency_key is not None:
                self._tx.write(sql.HOLD_IDEMPOTENCY, whole.idempotency_key, job.id)
            self._tx.count((job.queue, job.type), None, job.state)
        self._tx.write(sql.NUMBERS, 0)  # the transaction that keeps the counts holds the feed
        self._tx.count_all()

    def _number_above(self, seq: int) -> None:
        """What is told later comes behind what was loaded, which has been counted where it comes from."""
        self._tx.write("UPDATE feed SET newest = greatest(newest, %s) WHERE one = 1", seq)
        self._tx.write("UPDATE meta SET value = greatest(value, %s) WHERE name = 'rolled_up'", seq)


def _written(row: Row) -> str:
    return rows([_flat(row)])
