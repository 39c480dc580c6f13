"""This exists so that any number of processes may start at once, on a database that is new, or older than they are."""

from __future__ import annotations

from psycopg import sql as compose

from holdfast.storage.postgres.connection import Connection, Line, Place, run
from holdfast.storage.postgres.schema import LOCK_CLASS_MARK, MIGRATIONS
from holdfast.storage.versions import Standing, refuse_unknown

_STANDING = "SELECT name, value::integer FROM meta WHERE name IN ('applied', 'needs')"


def standing(db: Connection) -> Standing:
    """Where the schema that is searched stands; at 0 where there is none."""
    there = db.execute("SELECT to_regclass('meta') IS NOT NULL").fetchone()
    noted: dict[str, int] = dict(db.execute(_STANDING).fetchall()) if there == (True,) else {}
    return Standing(noted.get("applied", 0), noted.get("needs", 0))


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
    at = standing(db)
    if at.applied < len(MIGRATIONS):
        db.execute("SELECT pg_advisory_xact_lock(%s)", (place.lock_class + 2**40,))
        # whoever had the lock may have made the schema: opening a table is what makes this connection hear of that
        db.execute("SELECT FROM pg_catalog.pg_namespace LIMIT 0")
        at = standing(db)
    refuse_unknown(at, len(MIGRATIONS))
    if at.applied >= len(MIGRATIONS):
        return False
    if at.applied == 0:
        db.execute(compose.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(compose.Identifier(place.schema)))
    run(db, MIGRATIONS[at.applied][1].replace(LOCK_CLASS_MARK, str(place.lock_class)))
    mark = "INSERT INTO meta (name, value) VALUES ('applied', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    db.execute(mark, (str(at.applied + 1),))
    return True
