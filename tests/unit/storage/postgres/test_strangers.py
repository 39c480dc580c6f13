"""Locks of strangers on PostgreSQL, and a transaction that the server ends because it is idle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from holdfast.storage.errors import Contended
from holdfast.storage.gateway import Gateway
from holdfast.storage.postgres.connection import run
from holdfast.storage.postgres.store import PostgresStore
from holdfast.storage.protocol import Store
from holdfast.testing import new_job
from holdfast.testing.call_write import CallWrite
from tests.servers.postgres import place_of
from tests.unit.storage.strangers import StrangerRules


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PostgresStore]:
    store = PostgresStore(place_of(tmp_path))
    store.open()
    yield store
    store.close()


class TestStrangers(StrangerRules):
    @contextmanager
    def locked(self, store: Store, table: str, where: str) -> Iterator[None]:
        assert isinstance(store, PostgresStore)
        name = sql.Identifier(store.place.schema, "runs" if table == "jobs" else table)
        with psycopg.connect(store.place.target) as db:
            db.execute(sql.SQL("SELECT FROM {} WHERE {} FOR UPDATE").format(name, sql.SQL(where)))  # type: ignore[arg-type]
            yield
            db.rollback()


@contextmanager
def standing_still(store: PostgresStore) -> Iterator[None]:
    """As a process that is stopped in the middle of a transaction, until the server has ended it."""
    run(store._tx.db, "SET LOCAL idle_in_transaction_session_timeout = 1")
    pid = store._tx.db.info.backend_pid
    yield
    with psycopg.connect(store.place.target) as db:
        while db.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone():
            time.sleep(0.01)


def stand_still_and_store(store: PostgresStore, *, first: bool) -> None:
    with store.transaction():
        if first:
            store.insert([new_job()])
        with standing_still(store):
            pass
        if not first:
            store.insert([new_job()])


@pytest.mark.parametrize("first", [True, False])
def test_a_transaction_that_the_server_has_ended_is_contended(store: PostgresStore, first: bool) -> None:
    with pytest.raises(Contended):
        stand_still_and_store(store, first=first)
    assert store.states()["enqueued"] == 0


def test_a_transaction_that_the_server_has_ended_is_run_again(store: PostgresStore) -> None:
    gateway, stood = Gateway(store, lambda topics: None), list[int]()

    def stand_once() -> int:
        stood.append(1)
        if len(stood) == 1:
            with standing_still(store):
                pass
        return len(store.insert([new_job()]))

    assert gateway.run(CallWrite(stand_once)) == 1
    gateway.close()
    assert (len(stood), store.states()["enqueued"]) == (2, 1)
