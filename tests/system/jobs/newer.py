"""The app of the system tests as its next version: it knows one more migration on every kind of database, and one more type
of jobs. It represents a program that was upgraded."""

from __future__ import annotations

import holdfast.storage.mysql.migrate
import holdfast.storage.postgres.migrate
import holdfast.storage.sqlite.store
from holdfast import JobContext
from tests.system.jobs.app import effect, make_app

NAME = "9999_additions"
SCRIPT = """
CREATE TABLE additions (name varchar(40) NOT NULL PRIMARY KEY);
ALTER TABLE {jobs} ADD COLUMN added integer;
ALTER TABLE workers ADD COLUMN added integer;
ALTER TABLE types ADD COLUMN added integer;
ALTER TABLE events ADD COLUMN added integer;
"""
"""What migrations do: they add."""


def _know_more() -> None:
    sqlite, postgres, mysql = (
        holdfast.storage.sqlite.store,
        holdfast.storage.postgres.migrate,
        holdfast.storage.mysql.migrate,
    )
    sqlite.MIGRATIONS = (*sqlite.MIGRATIONS, (NAME, SCRIPT.format(jobs="jobs")))
    postgres.MIGRATIONS = (*postgres.MIGRATIONS, (NAME, SCRIPT.format(jobs="runs")))
    statements = tuple(part for part in SCRIPT.format(jobs="jobs").split(";") if part.strip())
    mysql.MIGRATIONS = (*mysql.MIGRATIONS, (NAME, statements))


_know_more()
app = make_app()


@app.job()
async def later(ctx: JobContext) -> None:
    """A type that only this version has."""
    effect(ctx, "later")
