"""Databases and roles that cannot hold a store are refused with what to do; those that can are taken as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import psycopg
import pytest
from psycopg import sql

from holdfast.core.errors import StorageRefused
from holdfast.core.urls import split_url
from holdfast.storage.postgres.admin import PostgresCare
from holdfast.storage.postgres.connection import read_url
from holdfast.storage.postgres.store import PostgresStore
from holdfast.testing.factories import new_job
from tests.servers.postgres import shared_url

_numbers = count()


class Base:
    """A database with a role that owns nothing in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        parts = replace(split_url(shared_url()), path=f"/{name}")
        self._owner = str(parts)
        self.url = str(replace(parts, user=name))

    def say(self, *statements: str) -> None:
        """As the owner of everything; {role} is the role's name."""
        with psycopg.connect(self._owner, autocommit=True) as db:
            for statement in statements:
                db.execute(sql.SQL(statement).format(role=sql.Identifier(self.name)))

    def store(self, *, owner: bool = False) -> PostgresStore:
        return PostgresStore(read_url(self._owner if owner else self.url))


@pytest.fixture
def encoding() -> str:
    return "UTF8"


@pytest.fixture
def base(encoding: str) -> Iterator[Base]:
    name = f"holdfast_rights_{os.getpid()}_{next(_numbers)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(shared_url(), autocommit=True) as db:
        db.execute(sql.SQL("CREATE ROLE {} LOGIN").format(identifier))
        made = "CREATE DATABASE {} ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        db.execute(sql.SQL(made).format(identifier, sql.Literal(encoding)))
        yield Base(name)
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
        db.execute(sql.SQL("DROP ROLE {}").format(identifier))


def use(store: PostgresStore) -> int:
    store.open()
    try:
        with store.transaction():
            store.insert([new_job()])
        return store.states()["enqueued"]
    finally:
        store.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "EUC_JP", "SQL_ASCII"])
def test_a_database_that_is_not_utf8_is_refused(base: Base, encoding: str) -> None:
    for look in (base.store(owner=True).open, PostgresCare(read_url(base.url)).status):
        with pytest.raises(StorageRefused, match=f"has the encoding {encoding}; UTF8 is needed"):
            look()


def test_the_url_cannot_choose_an_encoding_that_loses_letters(base: Base) -> None:
    base.say("CREATE SCHEMA holdfast AUTHORIZATION {role}")
    store = PostgresStore(read_url(f"{base.url}{'&' if '?' in base.url else '?'}client_encoding=LATIN1"))
    store.open()
    with store.transaction():
        store.insert([new_job(args='{"x":"🎉"}')])
    store.close()


def test_a_schema_that_is_there_needs_no_right_to_make_one(base: Base) -> None:
    base.say("CREATE SCHEMA holdfast", "GRANT USAGE, CREATE ON SCHEMA holdfast TO {role}")
    assert use(base.store()) == 1


def test_a_store_that_is_there_needs_no_right_to_create(base: Base) -> None:
    assert use(base.store(owner=True)) == 1
    base.say(
        "GRANT USAGE ON SCHEMA holdfast TO {role}",
        "GRANT ALL ON ALL TABLES IN SCHEMA holdfast TO {role}",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA holdfast TO {role}",
    )
    assert use(base.store()) == 2


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ((), "may not create the schema holdfast.*CREATE SCHEMA"),
        (("CREATE SCHEMA holdfast",), "may not use the schema holdfast.*GRANT USAGE"),
        (
            ("CREATE SCHEMA holdfast", "GRANT USAGE ON SCHEMA holdfast TO {role}"),
            "may not create tables.*GRANT CREATE",
        ),
    ],
)
def test_the_error_for_a_role_that_cannot_make_its_tables_says_what_to_grant(
    base: Base, said: tuple[str, ...], message: str
) -> None:
    base.say(*said)
    with pytest.raises(StorageRefused, match=message):
        base.store().open()


@pytest.mark.parametrize("granted", ["", "GRANT SELECT ON ALL TABLES IN SCHEMA holdfast TO {role}"])
def test_a_role_without_rights_on_the_tables_gets_an_error_that_says_so(base: Base, granted: str) -> None:
    assert use(base.store(owner=True)) == 1
    base.say("GRANT USAGE ON SCHEMA holdfast TO {role}", granted or "SELECT 1")
    with pytest.raises(StorageRefused, match=r"permission denied for .*GRANT ALL ON ALL TABLES"):
        use(base.store())


def test_tables_that_were_dropped_under_a_running_program_are_reported(base: Base) -> None:
    store = base.store(owner=True)
    store.open()
    base.say("DROP SCHEMA holdfast CASCADE")
    with pytest.raises(StorageRefused, match="does not exist"), store.transaction():
        store.insert([new_job()])
    store.close()
