"""One statement of the records, as each database takes it."""

from __future__ import annotations

import apsw
import pytest

from holdfast.storage.mysql.dialect import MysqlDialect
from holdfast.storage.postgres.dialect import PostgresDialect
from holdfast.storage.records.dialect import Dialect
from holdfast.storage.records.session import ReadSession
from holdfast.storage.server_clock import ServerLeases

TABLE = "CREATE TABLE rates (name TEXT, zone TEXT, schema TEXT, since INTEGER, PRIMARY KEY (name, zone))"
COLUMNS = ("name", "zone", "schema", "since")
KEY = ("name", "zone")
KEEPS_SINCE = {"since": "coalesce(rates.since, excluded.since)"}


def test_an_upsert_gives_new_values_or_what_is_said_for_a_column() -> None:
    db = apsw.Connection(":memory:")
    db.execute(TABLE)
    upsert = Dialect().upsert("rates", COLUMNS, key=KEY, **KEEPS_SINCE)
    for row in (("a", "z", "1", None), ("a", "z", "2", 1), ("a", "z", "3", 2), ("a", "b", "4", 5)):
        db.execute(upsert, row)
    db.execute(Dialect().insert_missing("rates", COLUMNS, key=KEY), ("a", "z", "other", 3))
    assert db.execute("SELECT * FROM rates").fetchall() == [("a", "z", "3", 1), ("a", "b", "4", 5)]


def test_mysql_names_no_key_and_has_its_own_name_for_a_column() -> None:
    dialect = MysqlDialect()
    insert = "INSERT INTO rates (name, zone, args_schema, since) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE "
    changes = "args_schema = VALUES(args_schema), since = coalesce(rates.since, VALUES(since))"
    assert dialect.upsert("rates", COLUMNS, key=KEY, **KEEPS_SINCE) == insert + changes
    assert dialect.insert_missing("rates", COLUMNS, key=KEY) == f"{insert}name = rates.name"


@pytest.mark.parametrize("dialect", [PostgresDialect(), MysqlDialect()])
def test_a_statement_is_written_as_the_driver_reads_it(dialect: Dialect) -> None:
    """Drivers with %s read a % only where there are values."""
    taken: list[str] = []
    session = ReadSession(dialect, ServerLeases(int), int, lambda statement, _: taken.append(statement) or [])
    session.rows("SELECT at - at % ? FROM rates", (10,))
    session.rows("SELECT 7 % 5")
    assert taken == ["SELECT at - at %% %s FROM rates", "SELECT 7 % 5"]
