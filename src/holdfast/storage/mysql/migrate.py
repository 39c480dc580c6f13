"""Brings the tables up to date, also when several processes start at once."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.errors import StorageRefused
from holdfast.storage.mysql.connection import Connection, Server
from holdfast.storage.mysql.schema import LEDGER, MIGRATIONS, TABLES
from holdfast.storage.versions import Standing, refuse_unknown

_THERE = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"


def standing(connection: Connection) -> Standing | None:
    """Where the tables stand; None when the database was never ours. Raises StorageRefused for a database that holds tables
    of somebody else under our names."""
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
        noted: tuple[tuple[int, ...], ...] = ()
        if number:  # the first one makes the table
            cursor.execute("SELECT value FROM meta WHERE name = 'needs'")
            noted = cursor.fetchall()
    return Standing(int(number), noted[0][0] if noted else 0)


def migrate(connection: Connection, server: Server, now: Callable[[], int]) -> None:
    """Apply the migrations that are missing. Several processes may do so at once. Raises StorageRefused."""
    at = standing(connection) or Standing(0, 0)
    refuse_unknown(at, len(MIGRATIONS))
    done = at.applied
    if done >= len(MIGRATIONS):
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
