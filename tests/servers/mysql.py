"""Databases of our own on a MariaDB or MySQL that runs already, one set for each test process, dropped at its end.

`HOLDFAST_TEST_MYSQL` names another server than the one on this machine: mysql://user:password@host:port
"""

from __future__ import annotations

import atexit
import os
from functools import cache
from pathlib import Path

import pymysql
import pytest

from holdfast.core.errors import HoldfastError
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.mysql.address import Address, read_address
from holdfast.storage.mysql.connection import Connection, connect
from holdfast.storage.mysql.schema import MIGRATIONS, TABLES
from holdfast.testing import FakeClock

SERVER = os.environ.get("HOLDFAST_TEST_MYSQL", "mysql://root@127.0.0.1:3306").rstrip("/")
ROWS = {
    "feed": "(1, 0)",
    "seal": "(1, NULL, NULL)",
    "meta": "('rolled_up', 0), ('oldest_event', 1), ('needs', 1)",
}
"""What the tables hold that are never empty."""


def url_of(database: str) -> str:
    return f"{SERVER}/{database}"


def administrator() -> Connection:
    """A connection that may make databases. Skips the test, with the reason, when no server responds."""
    if not _administrator().open:  # one that was lost costs one test, and not all that follow
        _administrator.cache_clear()
    return _administrator()


@cache
def _administrator() -> Connection:
    try:
        connection, _ = connect(read_address(url_of("mysql")), several=True)
    except HoldfastError as error:
        pytest.skip(f"no MariaDB or MySQL to test with (make services starts one): {error}")
    return connection


class Databases:
    """Each folder of a test is a database: made once, emptied for the next test."""

    def __init__(self, name: str = "") -> None:
        self._prefix = f"holdfast_test_{os.getpid()}_{name}"
        self._made: list[str] = []
        self._of: dict[Path, str] = {}

    def begin(self) -> None:
        """A new test: what the last one left is free."""
        self._of.clear()

    def of(self, folder: Path) -> Address:
        """The database that belongs to a folder, empty when it is asked for the first time."""
        if folder not in self._of:
            number = len(self._of)
            if number == len(self._made):
                self._made.append(f"{self._prefix}{number}")
                atexit.register(_drop, self._made[number])
                _make(self._made[number])
            elif _is_as_made(self._made[number]):
                _empty(self._made[number])
            else:
                _drop(self._made[number])
                _make(self._made[number])
            self._of[folder] = self._made[number]
        return read_address(url_of(self._of[folder]))

    def store(self, folder: Path, clock: FakeClock) -> MysqlStore:
        """A store that is not open yet, on the database of the folder."""
        return MysqlStore(self.of(folder), clock=clock)


def _make(name: str) -> None:
    with administrator().cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    store = MysqlStore(read_address(url_of(name)))
    store.open()
    store.close()


def _is_as_made(name: str) -> bool:
    """Whether no test has brought it to another version."""
    with administrator().cursor() as cursor:
        cursor.execute(f"SELECT max(number) FROM {name}.holdfast_migrations")
        return cursor.fetchall() == ((len(MIGRATIONS),),)


def _empty(name: str) -> None:
    """DELETE, not TRUNCATE, which makes new files for each table."""
    statements = [f"DELETE FROM {name}.{table}" for table in TABLES]
    statements += [f"INSERT INTO {name}.{table} VALUES {rows}" for table, rows in ROWS.items()]
    with administrator().cursor() as cursor:
        cursor.execute(";".join([*statements, "COMMIT"]))
        while cursor.nextset():
            pass


def _drop(name: str) -> None:
    try:
        with administrator().cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
    except pymysql.Error:
        pass  # the server went before us


DATABASES = Databases()
