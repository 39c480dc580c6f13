"""What only a database server can do for a measurement of ours."""

from __future__ import annotations

import os

import psycopg

from benchmarks.child import DATABASE_URL
from benchmarks.draining import TIDY


def on_postgres() -> bool:
    """Whether this measurement's own database is on PostgreSQL."""
    return os.environ.get(DATABASE_URL, "").startswith("postgresql:")


def tidy() -> None:
    """What autovacuum would have done a minute later, so that no contestant meets it in the middle; nothing elsewhere."""
    if on_postgres():
        with connection() as database:
            for statement in TIDY:
                database.execute(statement)


def stored_bytes() -> int:
    """The size of all tables with their indexes and dead rows, without PostgreSQL's own."""
    with connection() as database:
        row = database.execute(
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r'"
            " AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
        ).fetchone()
    return int(row[0]) if row else 0


def connection() -> psycopg.Connection:
    """A connection to this measurement's own database, in autocommit."""
    return psycopg.connect(os.environ[DATABASE_URL], autocommit=True)
