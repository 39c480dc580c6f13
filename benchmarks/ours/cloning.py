"""Makes millions of jobs out of one by SQL on PostgreSQL; exists because storing and running them would take hours.

A clone is a copy of the rows that make up the job, with numbers and an id of its own; it knows which tables those are and
nothing else of their columns.
"""

from __future__ import annotations

import psycopg

from benchmarks.ours import postgres

_SCHEMA = "holdfast"
_PORTION = 250_000
"""Jobs per transaction."""

_ID = "'00000000-0000-7000-8000-' || lpad(to_hex(%(base)s + n), 12, '0')"
_OWN = {
    "specs": {"seq": "%(base)s + n", "id": _ID},
    "runs": {"seq": "%(base)s + n"},
    "events": {"seq": "nextval('event_seq')", "job": "%(base)s + n"},
}
"""The columns by which a clone differs from the original, by table."""
_BELONGS = {"specs": "seq", "runs": "seq", "events": "job"}


def multiply(job_id: str, count: int) -> None:
    """Store `count` more jobs like this one, behind all that are there, with the same history."""
    with postgres.connection() as database:
        database.execute(f"SET search_path TO {_SCHEMA}")
        row = database.execute(
            "SELECT seq, lane, state, (SELECT max(seq) FROM specs) FROM jobs WHERE id = %s", (job_id,)
        ).fetchone()
        if row is None:
            raise LookupError(job_id)
        original, lane, state, newest = row
        for done in range(0, count, _PORTION):
            _portion(database, original, newest + done, min(_PORTION, count - done))
        database.execute("SELECT setval('job_seq', %s)", (newest + count,))
        database.execute("INSERT INTO counts (lane, state, n) VALUES (%s, %s, %s)", (lane, state, count))


def _portion(database: psycopg.Connection, original: int, base: int, count: int) -> None:
    values = {"original": original, "base": base, "count": count}
    with database.transaction():
        for table, own in _OWN.items():
            columns = [
                str(row[0])
                for row in database.execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
                    (_SCHEMA, table),
                )
            ]
            copied = ", ".join(own.get(column, f"it.{column}") for column in columns)
            order = f"ORDER BY n, it.{'seq' if table == 'events' else _BELONGS[table]}"
            statement = (
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {copied} FROM {table} AS it,"
                f" generate_series(1, %(count)s) AS n WHERE it.{_BELONGS[table]} = %(original)s {order}"
            )
            database.execute(statement.encode(), values)
