"""The MariaDB (or MySQL) of this machine, on 127.0.0.1:3306. Its part is skipped where none responds.

It is used as it is configured; what decides about its durability is written beside the figures.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.servers import Database, ServerUnavailable

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

_HOST = "127.0.0.1"
_PORT = 3306
_USER = "root"
_SHOWN = (
    "innodb_flush_log_at_trx_commit",
    "sync_binlog",
    "log_bin",
    "innodb_doublewrite",
    "innodb_buffer_pool_size",
)


class MariaDb:
    """The server that listens, with the user root and no password."""

    def __init__(self) -> None:
        self._count = 0

    def ensure(self) -> None:
        """See Server."""
        if find_spec("pymysql") is None:
            raise ServerUnavailable("pymysql is not installed: make dev")
        import pymysql

        try:
            self._connect().close()
        except pymysql.OperationalError as error:
            raise ServerUnavailable(
                f"no MariaDB for {_USER} on {_HOST}:{_PORT} ({error.args[-1]})"
            ) from error

    @contextmanager
    def database(self, copy_of: Database | None = None) -> Generator[Database]:
        """See Server; there is no copying here."""
        if copy_of is not None:
            raise NotImplementedError("MariaDB has no copy of a database")
        self._count += 1
        name = f"holdfast_benchmark_{os.getpid()}_{self._count}"
        with self._connect() as connection:
            cursor = connection.cursor()
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            yield Database(f"mysql://{_USER}@{_HOST}:{_PORT}/{name}", name)
        finally:
            with self._connect() as connection:
                connection.cursor().execute(f"DROP DATABASE {name}")

    def describe(self) -> str:
        """See Server."""
        with self._connect() as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT VERSION()")
            version = str((cursor.fetchone() or ("?",))[0])
            values = {name: _variable(cursor, name) for name in _SHOWN}
        return f"MariaDB {version} ({', '.join(f'{name}={value}' for name, value in values.items())})"

    @staticmethod
    def _connect() -> Connection[Cursor]:
        import pymysql  # an optional dependency; `ensure` has looked whether it is there

        return pymysql.connect(
            host=_HOST, port=_PORT, user=_USER, password="", connect_timeout=5, autocommit=True
        )


def _variable(cursor: Cursor, name: str) -> str:
    cursor.execute("SHOW GLOBAL VARIABLES LIKE %s", (name,))
    row = cursor.fetchone()
    return str(row[1]) if row else "not known"


MARIADB = MariaDb()
