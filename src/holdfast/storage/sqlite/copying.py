"""Reads and loads whole rows, while the database is read-only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, cast

import apsw

from holdfast.core.dump import (
    Key,
    Part,
    Row,
    Seal,
    WholeJob,
    key_of,
    row_of,
    tags_of,
)
from holdfast.core.records import JobRecord
from holdfast.storage.sqlite.connection import fetch_all
from holdfast.storage.sqlite.seal import write_seal
from holdfast.storage.sqlite.statements import JOB_COLUMNS, TYPE_COLUMNS
from holdfast.storage.sqlite.writer import SqliteWriter

_OWN = "continues, idempotency_key, retention, log_lines"
_JOB_WIDTH = len(JobRecord._fields)

_DUMP: Final = {
    Part.JOBS: ("seq", f"{JOB_COLUMNS}, {_OWN} FROM jobs"),
    Part.SAVED: ("job", "job, saved, at, count FROM saved"),
    Part.LOGS: ("n", "n, job, at, level, message, fields, attempt FROM logs"),
    Part.HISTORY: (
        "seq",
        "seq, job, at, iif(kind = 0, 'state', 'request'), state, reason, actor, attempt, worker FROM events",
    ),
    Part.QUEUES: ("name", "name, paused_at, paused_by, paused_reason FROM queues"),
    Part.TYPES: ("name", f"{TYPE_COLUMNS} FROM types"),
    Part.BUCKETS: ("at", "at * 1000000, succeeded, failed, cancelled, started FROM buckets"),
}
"""Key and columns of each part."""


def _values(width: int) -> str:
    return ", ".join(f"?{n}" for n in range(1, width + 1))


_LOAD: Final = {
    Part.JOBS: f"""INSERT INTO jobs ({JOB_COLUMNS}, {_OWN}) VALUES ({_values(_JOB_WIDTH + 4)})
                   ON CONFLICT (seq) DO NOTHING RETURNING seq""",
    Part.SAVED: "INSERT INTO saved (job, saved, at, count) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING RETURNING 1",
    Part.LOGS: f"""INSERT INTO logs (n, job, at, level, message, fields, attempt) VALUES ({_values(7)})
                   ON CONFLICT DO NOTHING RETURNING 1""",
    Part.HISTORY: """INSERT INTO events (seq, job, at, kind, state, reason, actor, attempt, worker)
                     VALUES (?1, ?2, ?3, iif(?4 = 'state', 0, 1), ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING RETURNING 1""",
    Part.QUEUES: f"""INSERT INTO queues (name, paused_at, paused_by, paused_reason) VALUES ({_values(4)})
                     ON CONFLICT DO NOTHING RETURNING 1""",
    Part.TYPES: f"""INSERT INTO types ({TYPE_COLUMNS}) VALUES ({_values(12)})
                    ON CONFLICT DO NOTHING RETURNING 1""",
    Part.BUCKETS: """INSERT INTO buckets (at, succeeded, failed, cancelled, started)
                     VALUES (?1 / 1000000, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING RETURNING 1""",
}
_NO_HISTORY_YET = (
    "DELETE FROM events WHERE seq IN (SELECT seq FROM history WHERE job IN (SELECT value FROM json_each(?1)))"
)
"""The trigger has written of the loading what the copy brings better."""
_TAGS = (
    "INSERT INTO job_tags (tag, job) SELECT value, ?1 FROM json_each(?2) WHERE true ON CONFLICT DO NOTHING"
)
_SKIP_LOADED = "UPDATE meta SET value = CAST(max(CAST(value AS INTEGER), ?1) AS TEXT) WHERE name IN ('rolled_up', 'counted')"


def rows_of(db: apsw.Connection, part: Part, after: Key | None, limit: int) -> Sequence[Row]:
    """Rows of a part in the order of their keys."""
    key, columns = _DUMP[part]
    scale = " * 1000000" if part is Part.BUCKETS else ""
    only = " AND kind < 2" if part is Part.HISTORY else ""
    above = "TRUE" if after is None else f"{key}{scale} > ?2"
    sql = f"SELECT {columns} WHERE {above}{only} ORDER BY {key} LIMIT ?1"
    return [row_of(part, row) for row in fetch_all(db, sql, (limit,) if after is None else (limit, after))]


class CopyingVerbs:
    """`CopyWrites`."""

    def __init__(self, writer: SqliteWriter) -> None:
        self._writer = writer

    def seal(self, seal: Seal | None) -> None:
        write_seal(self._writer.db, seal)

    def load(self, part: Part, rows: Sequence[Row]) -> int:
        new = self._writer.db.executemany(_LOAD[part], [_flat(row) for row in rows]).fetchall()
        if part is Part.JOBS:
            fresh = {seq for (seq,) in new}
            self._writer.db.execute(_NO_HISTORY_YET, (json.dumps(list(fresh)),))
            jobs = (row.job for row in rows if isinstance(row, WholeJob))
            self._writer.db.executemany(
                _TAGS, [(job.seq, job.tags) for job in jobs if job.seq in fresh and tags_of(job)]
            )
        elif part is Part.HISTORY and rows:
            self._writer.db.execute(_SKIP_LOADED, (key_of(rows[-1]),))
        return len(new)


def _flat(row: Row) -> tuple[apsw.SQLiteValue, ...]:
    if isinstance(row, WholeJob):
        return (*row.job, int(row.continues), *row[2:])
    return cast("tuple[apsw.SQLiteValue, ...]", tuple(row))
