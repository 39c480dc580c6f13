"""Runs statements on a connection of the caller, whatever library it was made with.

A library that is not imported cannot have made a connection: so each is looked up among the loaded modules, and none is
imported for it. Nothing here begins, commits or rolls back anything.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

T = TypeVar("T")

Rows = list[tuple[Any, ...]]
Steps = Generator[tuple[str, tuple[str, ...]], Rows, T]
"""Statements one after the other, each answered with its rows. Parameters are texts, written $1, $2 … once each, in their
order."""

KNOWN = (
    "a Connection or AsyncConnection of psycopg, a Connection of asyncpg, a connection of Django with psycopg 3 below, or a "
    "Connection, Session, AsyncConnection or AsyncSession of SQLAlchemy with psycopg or asyncpg below"
)


class Line(Protocol):
    """A connection of the caller's."""

    driver: Any
    """The connection itself, below every wrapping; the same object as long as it is the same connection."""

    def in_transaction(self) -> bool:
        """Whether a transaction is known to be open, and to be sound."""
        ...


class SyncLine(Line, Protocol):
    """A connection that blocks."""

    def execute(self, sql: str, parameters: tuple[str, ...]) -> Rows: ...


class AsyncLine(Line, Protocol):
    """A connection that is awaited."""

    async def execute(self, sql: str, parameters: tuple[str, ...]) -> Rows: ...


def on(connection: object, steps: Callable[[Line], Steps[T]]) -> T:
    """Run statements to their end on a connection that blocks. Raises TypeError for any other."""
    line = _sync_line(connection)
    statements = steps(line)
    try:
        statement = next(statements)
        while True:
            statement = statements.send(line.execute(*statement))
    except StopIteration as end:
        return end.value


async def on_async(connection: object, steps: Callable[[Line], Steps[T]]) -> T:
    """Run statements to their end on a connection that is awaited. Raises TypeError for any other."""
    if _is_of("sqlalchemy.ext.asyncio", connection, "async_scoped_session"):
        connection = cast(Any, connection)()
    if _is_of("sqlalchemy.ext.asyncio", connection, "AsyncConnection", "AsyncSession"):
        return await cast(Any, connection).run_sync(on, steps)
    line = _async_line(connection)
    statements = steps(line)
    try:
        statement = next(statements)
        while True:
            statement = statements.send(await line.execute(*statement))
    except StopIteration as end:
        return end.value


# -- which library --------------------------------------------------------------------------------------------------------


def _is_of(module: str, connection: object, *names: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(connection, tuple(getattr(loaded, name) for name in names))


def _sync_line(connection: object) -> SyncLine:
    if isinstance(connection, psycopg.Connection):
        return _Psycopg(cast("psycopg.Connection[Any]", connection))
    if _is_of("django.utils.connection", connection, "ConnectionProxy") or _is_of(
        "django.db.backends.base.base", connection, "BaseDatabaseWrapper"
    ):
        return _django_line(cast(Any, connection))
    if _is_of("sqlalchemy", connection, "Connection"):
        return _Alchemy(connection)
    if _is_of("sqlalchemy.orm", connection, "Session", "scoped_session"):
        return _Alchemy(cast(Any, connection).connection())
    if _is_async(connection):
        raise TypeError(
            f"tx=: {_shown(connection)} is awaited; use enqueue_async or enqueue_many_async with it"
        )
    raise _unknown(connection)


def _django_line(connection: Any) -> SyncLine:
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        driver: object = connection.connection
        if isinstance(driver, psycopg.Connection):
            return _Psycopg(cast("psycopg.Connection[Any]", driver))
    raise TypeError(f"tx= takes {KNOWN}; not Django with {connection.vendor}, or with psycopg2")


def _async_line(connection: object) -> AsyncLine:
    if isinstance(connection, psycopg.AsyncConnection):
        return _AsyncPsycopg(cast("psycopg.AsyncConnection[Any]", connection))
    if _is_of("asyncpg.connection", connection, "Connection"):
        return _Asyncpg(connection)
    if _is_of("asyncpg.pool", connection, "PoolConnectionProxy"):
        return _Asyncpg(connection)
    _sync_line(connection)
    raise TypeError(
        f"tx=: {_shown(connection)} blocks the event loop; use enqueue or enqueue_many with it, "
        "or an asynchronous connection here"
    )


def _is_async(connection: object) -> bool:
    return (
        isinstance(connection, psycopg.AsyncConnection)
        or _is_of("asyncpg.connection", connection, "Connection")
        or _is_of("asyncpg.pool", connection, "PoolConnectionProxy")
        or _is_of(
            "sqlalchemy.ext.asyncio", connection, "AsyncConnection", "AsyncSession", "async_scoped_session"
        )
    )


def _unknown(connection: object) -> TypeError:
    return TypeError(f"tx= takes {KNOWN}; not {_shown(connection)}")


def _shown(connection: object) -> str:
    kind = type(connection)
    return f"{kind.__module__}.{kind.__qualname__}"


# -- how each of them speaks ----------------------------------------------------------------------------------------------


def _percent(sql: str) -> str:
    return re.sub(r"\$\d", "%s", sql)


class _Psycopg:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.driver = connection

    def in_transaction(self) -> bool:
        return _is_open(self.driver)

    def execute(self, sql: str, parameters: tuple[str, ...]) -> Rows:
        # a cursor of our own: the caller's factories of cursors and rows may be anything
        with psycopg.Cursor(self.driver, row_factory=tuple_row) as cursor:
            return cursor.execute(_percent(sql).encode(), parameters).fetchall()


class _AsyncPsycopg:
    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.driver = connection

    def in_transaction(self) -> bool:
        return _is_open(self.driver)

    async def execute(self, sql: str, parameters: tuple[str, ...]) -> Rows:
        async with psycopg.AsyncCursor(self.driver, row_factory=tuple_row) as cursor:
            return await (await cursor.execute(_percent(sql).encode(), parameters)).fetchall()


class _Asyncpg:
    def __init__(self, connection: Any) -> None:
        self.driver = connection

    def in_transaction(self) -> bool:
        return _is_open(self.driver)

    async def execute(self, sql: str, parameters: tuple[str, ...]) -> Rows:
        return [tuple(row) for row in await self.driver.fetch(sql, *parameters)]


class _Alchemy:
    """SQLAlchemy's, synchronous; its asynchronous ones come here through their `run_sync`."""

    def __init__(self, connection: Any) -> None:
        if connection.dialect.driver not in ("psycopg", "psycopg_async", "asyncpg"):
            raise TypeError(
                f"tx= takes {KNOWN}; not SQLAlchemy with {connection.dialect.name}+{connection.dialect.driver}"
            )
        self._connection = connection
        self._dollar = connection.dialect.driver == "asyncpg"
        self.driver = connection.connection.driver_connection

    def in_transaction(self) -> bool:
        return _is_open(self.driver)

    def execute(self, sql: str, parameters: tuple[str, ...]) -> Rows:
        answer = self._connection.exec_driver_sql(sql if self._dollar else _percent(sql), parameters)
        return [tuple(row) for row in answer]


def _is_open(driver: Any) -> bool:
    if isinstance(driver, (psycopg.Connection, psycopg.AsyncConnection)):
        return driver.info.transaction_status == TransactionStatus.INTRANS
    return driver.is_in_transaction()
