"""This exists so that the tables on the server are brought up to date by whoever starts first, or by several at once."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.errors import StorageRefused
from holdfast.storage.mysql.connection import Connection, Server
from holdfast.storage.mysql.schema import LEDGER, MIGRATIONS, TABLES

_THERE = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"


def applied(connection: Connection) -> int | None:
    """How many migrations the database has seen; None when it was never ours. Raises StorageRefused for a database
    that holds tables of somebody else under our names."""
    with connection.cursor() as cursor:
        cursor.execute(_THERE)
        there = {str(name).lower() for (name,) in cursor.fetchall()}
        if "holdfast_migrations" not in there:
            if foreign := sorted(there.intersection(TABLES)):
                raise StorageRefused(
                    f"The database holds a table named {foreign[0]} that Holdfast has not made. Give Holdfast a database of "
                    "its own on this server: CREATE DATABASE holdfast"
                )
            return None
        cursor.execute("SELECT coalesce(max(number), 0) FROM holdfast_migrations")
        [(number,)] = cursor.fetchall()
    return int(number)


def migrate(connection: Connection, server: Server, now: Callable[[], int]) -> None:
    """Apply the migrations that are missing. Several processes may do so at once. Raises StorageRefused."""
    done = applied(connection) or 0
    if done > len(MIGRATIONS):
        raise StorageRefused(
            f"The database has schema {done}, this program knows {len(MIGRATIONS)}: it was written by a newer Holdfast. "
            "Upgrade this program."
        )
    if done == len(MIGRATIONS):
        return
    with connection.cursor() as cursor:
        cursor.execute(LEDGER.format(collation=server.collation))
        for number, (name, statements) in enumerate(MIGRATIONS[done:], done + 1):
            for statement in statements:
                cursor.execute(statement.format(collation=server.collation))
            cursor.execute(
                "INSERT IGNORE INTO holdfast_migrations (number, name, applied_at) VALUES (%s, %s, %s)",
                (number, name, now()),
            )
            connection.commit()
