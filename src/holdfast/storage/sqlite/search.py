"""Finds and counts jobs in bounded time."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import apsw

from holdfast.core.query import Node, Query
from holdfast.core.records import Count, JobRecord, Page
from holdfast.storage import page_query as pages
from holdfast.storage.sqlite.compiler import SqliteCompiler
from holdfast.storage.sqlite.connection import fetch_all
from holdfast.storage.sqlite.index_ranges import Planner
from holdfast.storage.sqlite.scan import Scan
from holdfast.storage.sqlite.statements import JOB_COLUMNS

SQLiteValue: TypeAlias = str | int | float | None


def condition(query: Query | None) -> tuple[str, list[SQLiteValue]]:
    """A WHERE expression on `jobs` ("1" when everything matches) and its parameters; safe to be joined by AND."""
    if query is None or query.root is None:
        return "1", []
    text, values = SqliteCompiler().compile(query.root)
    return f"({text})", list(values)


def page(db: apsw.Connection, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
    """As `pages.page`."""
    with _snapshot(db) as source:
        return pages.page(source, query, sort=sort, limit=limit, cursor=cursor)


def count(db: apsw.Connection, query: Query, *, cap: int) -> Count:
    """As `pages.count`."""
    with _snapshot(db) as source:
        return pages.count(source, query, cap=cap)


def count_by_state(db: apsw.Connection, query: Query, *, cap: int) -> dict[str, Count]:
    """As `pages.count_by_state`."""
    with _snapshot(db) as source:
        return pages.count_by_state(source, query, cap=cap)


class _Snapshot:
    """The jobs on one connection, within one transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def scan(self, root: Node | None, *, led_by: Node | None = None) -> Scan:
        return Scan(self._db, root, None if led_by is None else Planner(self._db).plan(led_by))

    def jobs(self, seqs: Sequence[int]) -> list[JobRecord]:
        sql = f"SELECT {JOB_COLUMNS} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))"
        jobs = {row[0]: JobRecord._make(row) for row in fetch_all(self._db, sql, (json.dumps(seqs),))}
        return [jobs[seq] for seq in seqs]


@contextmanager
def _snapshot(db: apsw.Connection) -> Generator[_Snapshot]:
    with db:
        yield _Snapshot(db)
