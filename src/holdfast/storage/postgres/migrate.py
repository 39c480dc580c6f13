"""Brings the schema up to date, also when several processes start at once or know fewer migrations."""

from __future__ import annotations

from psycopg import sql as compose

from holdfast.core.errors import StorageRefused
from holdfast.storage.postgres.connection import LONG_LOCK_MS, Connection, Line, Place, run
from holdfast.storage.postgres.schema import LOCK_CLASS_MARK, MIGRATIONS
from holdfast.storage.versions import Standing, refuse_unknown

_STANDING = "SELECT name, value::integer FROM meta WHERE name IN ('applied', 'needs')"

# `search_path` is our one schema; one that may not be used is searched as if it were not there
_THERE = """
SELECT to_regclass('meta') IS NOT NULL, current_user, (
    SELECT nspname FROM pg_namespace WHERE quote_ident(nspname) = current_setting('search_path')
    AND NOT has_schema_privilege(oid, 'USAGE'))
"""
_RIGHTS = """
SELECT current_user, current_database(), oid IS NOT NULL, has_schema_privilege(oid, 'CREATE'),
    has_database_privilege(current_database(), 'CREATE')
FROM (SELECT (SELECT oid FROM pg_namespace WHERE nspname = %s) AS oid) AS found
"""


def standing(db: Connection) -> Standing:
    """Where the schema that is searched stands; at 0 where there is none. Raises StorageRefused where it may not be used."""
    there, role, closed = db.execute(_THERE).fetchone() or (False, "", None)
    if closed is not None:
        raise StorageRefused(
            f"The role {role} may not use the schema {closed}. Let its owner say: "
            f"GRANT USAGE ON SCHEMA {_name(closed)} TO {_name(role)}"
        )
    noted: dict[str, int] = dict(db.execute(_STANDING).fetchall()) if there else {}
    return Standing(noted.get("applied", 0), noted.get("needs", 0))


def migrate(line: Line, place: Place) -> None:
    """Apply the migrations that are missing, each in one transaction under one lock. A program that begins meanwhile waits;
    one that died in between left whole steps. Raises StorageRefused for a schema that this program does not know."""
    missing = True
    while missing:
        with line.db.transaction():
            run(line.db, f"SELECT 1;{line.local}SET LOCAL lock_timeout = {LONG_LOCK_MS}")
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
        _make_schema(db, place)
    run(db, MIGRATIONS[at.applied][1].replace(LOCK_CLASS_MARK, str(place.lock_class)))
    mark = "INSERT INTO meta (name, value) VALUES ('applied', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    db.execute(mark, (str(at.applied + 1),))
    return True


def _make_schema(db: Connection, place: Place) -> None:
    """Make the schema where it is not there: IF NOT EXISTS would ask for the right to make one all the same. Raises
    StorageRefused where the role lacks a right, with what to grant."""
    row = db.execute(_RIGHTS, (place.schema,)).fetchone()
    assert row is not None  # it always returns one
    role, database, there, may_fill, may_make = row
    if there and not may_fill:
        raise StorageRefused(
            f"{place.words}: the role {role} may not create tables in the schema {place.schema}. Let its owner say: "
            f"GRANT CREATE ON SCHEMA {_name(place.schema)} TO {_name(role)}"
        )
    if not there and not may_make:
        owner = f"CREATE SCHEMA {_name(place.schema)} AUTHORIZATION {_name(role)}"
        raise StorageRefused(
            f"{place.words}: the role {role} may not create the schema {place.schema}. Its owner can say: {owner} "
            f"(or: GRANT CREATE ON DATABASE {_name(database)} TO {_name(role)})"
        )
    if not there:
        db.execute(compose.SQL("CREATE SCHEMA {}").format(compose.Identifier(place.schema)))


def _name(name: str) -> str:
    """A name as it is written in SQL, for a person to paste."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"'
