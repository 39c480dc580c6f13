"""This exists so that any number of processes may start at once, on a database that is new, or older than they are."""

from __future__ import annotations

from psycopg import sql as compose

from holdfast.core.errors import StorageRefused
from holdfast.storage.postgres.connection import Connection, Line, Place, run
from holdfast.storage.postgres.schema import LOCK_CLASS_MARK, MIGRATIONS

APPLIED = "SELECT value::integer FROM meta WHERE name = 'applied'"


def applied(db: Connection) -> int:
    """How many migrations the schema that is searched has seen; 0 where there is none."""
    there = db.execute("SELECT to_regclass('meta') IS NOT NULL").fetchone()
    if there != (True,):
        return 0
    found = db.execute(APPLIED).fetchone()
    return found[0] if found else 0


def migrate(line: Line, place: Place) -> None:
    """Apply the migrations that are missing, each in one transaction under one lock. A program that begins meanwhile waits;
    one that died in between left whole steps. Raises StorageRefused for a schema that this program does not know."""
    missing = True
    while missing:
        with line.db.transaction():
            run(line.db, f"SELECT 1;{line.local}")
            missing = _next(line.db, place)


def _next(db: Connection, place: Place) -> bool:
    """Apply the next migration; answers whether there may be another one."""
    done = applied(db)
    if done < len(MIGRATIONS):
        db.execute("SELECT pg_advisory_xact_lock(%s)", (place.lock_class + 2**40,))
        # whoever had the lock may have made the schema: opening a table is what makes this connection hear of that
        db.execute("SELECT FROM pg_catalog.pg_namespace LIMIT 0")
        done = applied(db)
    if done > len(MIGRATIONS):
        raise StorageRefused(
            f"The database has schema {done}, this program knows {len(MIGRATIONS)}: it was written by a newer Holdfast. "
            "Upgrade this program."
        )
    if done == len(MIGRATIONS):
        return False
    if done == 0:
        db.execute(compose.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(compose.Identifier(place.schema)))
    run(db, MIGRATIONS[done][1].replace(LOCK_CLASS_MARK, str(place.lock_class)))
    mark = "INSERT INTO meta (name, value) VALUES ('applied', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    db.execute(mark, (str(done + 1),))
    return True
