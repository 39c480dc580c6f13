"""Locks of strangers on MariaDB, and a transaction that the server ends because it is idle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.storage.gateway import Gateway
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.mysql.connection import connect, drop
from holdfast.storage.protocol import Store
from holdfast.testing import new_job
from holdfast.testing.call_write import CallWrite
from tests.servers.mysql import administrator
from tests.unit.storage.strangers import StrangerRules


class TestStrangers(StrangerRules):
    @contextmanager
    def locked(self, store: Store, table: str, where: str) -> Iterator[None]:
        assert isinstance(store, MysqlStore)
        other, _ = connect(store.address)
        try:
            with other.cursor() as cursor:
                name = "jobs" if table == "specs" else table
                cursor.execute(f"SELECT 1 FROM {name} WHERE {where} FOR UPDATE")
                yield
            other.rollback()
        finally:
            drop(other)


@contextmanager
def standing_still(store: MysqlStore) -> Iterator[None]:
    """As a process that is stopped in the middle of a transaction, until the server has ended it."""
    [(number,)] = store._tx.run("SELECT connection_id()")
    yield
    with administrator().cursor() as cursor:
        while cursor.execute(f"SELECT 1 FROM information_schema.processlist WHERE id = {number}"):
            time.sleep(0.01)


def test_a_transaction_that_the_server_has_ended_is_run_again(store: MysqlStore) -> None:
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
