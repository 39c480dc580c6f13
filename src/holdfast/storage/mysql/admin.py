"""Inspects and checks a MariaDB or MySQL database without opening it as a store."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from holdfast.core.errors import Conflict, NotFound
from holdfast.core.states import ACTIVE_STATES, FINAL_STATES
from holdfast.storage.backends import SchemaStatus
from holdfast.storage.mysql.address import Address
from holdfast.storage.mysql.connection import Connection, ReadingPool, Row
from holdfast.storage.mysql.migrate import standing
from holdfast.storage.mysql.schema import MIGRATIONS, TABLES
from holdfast.storage.mysql.statements import states
from holdfast.storage.versions import Standing

MAX_FINDINGS: Final = 20

SIZE: Final = """
SELECT CAST(coalesce(sum(data_length + index_length), 0) AS SIGNED) FROM information_schema.tables
WHERE table_schema = DATABASE()
"""

_LOST_WORDS: Final = (
    ("saved", "SELECT job FROM saved WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE seq = job)"),
    ("a tag", "SELECT job FROM job_tags WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE seq = job)"),
    ("console lines", "SELECT job FROM logs WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE seq = job)"),
    (
        "history",
        "SELECT job FROM events WHERE kind < 2 AND NOT EXISTS (SELECT 1 FROM jobs WHERE seq = events.job)",
    ),
)

CHECKS: Final = (
    (
        "enqueued, but no worker would find it",
        "SELECT seq FROM jobs LEFT JOIN ready ON ready.queue = jobs.queue AND ready.type = jobs.type "
        "AND ready.turn = -jobs.priority AND ready.job = seq WHERE state = 'enqueued' AND ready.job IS NULL",
    ),
    (
        "to be claimed, but not enqueued",
        "SELECT job FROM ready LEFT JOIN jobs ON seq = job AND state = 'enqueued' WHERE seq IS NULL",
    ),
    (
        "scheduled, but would never be due",
        "SELECT seq FROM jobs LEFT JOIN due ON due.at = jobs.run_at AND due.job = seq "
        "WHERE state = 'scheduled' AND run_at IS NOT NULL AND due.job IS NULL",
    ),
    (
        "due, but not scheduled",
        "SELECT job FROM due LEFT JOIN jobs ON seq = job AND state = 'scheduled' WHERE seq IS NULL",
    ),
    (
        "would expire, but has not ended",
        f"SELECT job FROM expiry LEFT JOIN jobs ON seq = job AND state IN {states(FINAL_STATES)} WHERE seq IS NULL",
    ),
    (
        "has a unique key that it does not hold",
        "SELECT seq FROM jobs LEFT JOIN unique_keys AS held ON held.type = jobs.type AND held.name = unique_key "
        f"AND held.id = jobs.id WHERE state IN {states(ACTIVE_STATES)} AND unique_key IS NOT NULL AND held.id IS NULL",
    ),
    *((f"is gone, but has left {what} behind", query) for what, query in _LOST_WORDS),
)
"""What must not be found: words for it, and the statement that finds its jobs."""

COUNTS: Final = """
SELECT queue, type, state, sum(counted), sum(kept) FROM (
    SELECT queue, type, state, count(*) AS counted, 0 AS kept FROM jobs GROUP BY queue, type, state
    UNION ALL SELECT queue, type, state, 0, n FROM counts
) AS both_ways GROUP BY queue, type, state HAVING sum(counted) <> sum(kept)
"""


class MysqlCare:
    """Care for the database at an address."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.place = address.shown

    def status(self) -> SchemaStatus:
        names = tuple(name for name, _ in MIGRATIONS)
        with self._looking() as connection:
            at = standing(connection)
            [(size,)] = _rows(connection, SIZE)
        done, needs = at or Standing(0, 0)
        there = at is not None
        return SchemaStatus(self.place, there, done, len(MIGRATIONS), names[done:], int(size), needs)

    def check(self) -> list[str]:
        found: list[str] = []
        with self._looking() as connection:
            if standing(connection) is None:
                raise NotFound(
                    f"There are no tables of Holdfast at {self.place}; holdfast db migrate makes them."
                )
            for table in TABLES:
                [(_, _, kind, words), *_] = _rows(connection, f"CHECK TABLE {table}")[-1:]
                if kind == "Error" or (kind == "status" and words != "OK"):
                    found.append(f"table {table}: {words}")
            _rows(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            for words, query in CHECKS:
                jobs = _rows(connection, f"{query} LIMIT {MAX_FINDINGS}")
                found += [f"job {seq}: {words}" for (seq,) in jobs]
            for queue, type_, state, counted, kept in _rows(connection, f"{COUNTS} LIMIT {MAX_FINDINGS}"):
                found.append(f"{state} jobs {type_} in {queue}: {counted}, but {kept} are counted")
            _rows(connection, "COMMIT")
        return found

    def backup(self, target: Path) -> int:
        raise Conflict(
            "A database on a server is copied with the server's own tool, which takes one moment of all tables without "
            f"stopping anybody: mariadb-dump (or mysqldump) --single-transaction {self._address.database} > {target}"
        )

    @contextmanager
    def _looking(self) -> Generator[Connection]:
        pool = ReadingPool(self._address)
        try:
            with pool.lend() as connection:
                yield connection
        finally:
            pool.close()


def _rows(connection: Connection, statement: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
