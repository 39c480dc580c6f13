"""Starting on a database that is new, older or newer; and beside another Holdfast in the same database."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holdfast.core.errors import StorageRefused
from holdfast.storage.postgres import connection
from holdfast.storage.postgres.connection import Connector, run
from holdfast.storage.postgres.schema import MIGRATIONS
from holdfast.storage.postgres.store import PostgresStore
from holdfast.testing import FakeClock
from holdfast.testing.factories import new_job
from tests.servers.postgres import place_of, store_in

AT_ONCE = 6


def test_many_processes_start_at_once_on_a_new_database(tmp_path: Path) -> None:
    barrier = threading.Barrier(AT_ONCE)

    def start(_: int) -> str:
        store = store_in(tmp_path, FakeClock())
        barrier.wait(30)
        store.open()
        with store.transaction():
            store.insert([new_job()])
        store.close()
        return "started"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(start, range(AT_ONCE), timeout=60)) == ["started"] * AT_ONCE
    store = store_in(tmp_path, FakeClock())
    store.open()
    assert store.states()["enqueued"] == AT_ONCE
    assert store.info()["schema"] == f"{len(MIGRATIONS)} of {len(MIGRATIONS)}"
    store.close()


def test_a_database_that_needs_a_newer_program_is_refused(tmp_path: Path) -> None:
    store = store_in(tmp_path, FakeClock())
    store.open()
    with store.transaction():
        run(store._tx.db, "UPDATE meta SET value = '99' WHERE name = 'applied'")
    store.close()
    store.open()  # it was only added to
    with store.transaction():
        run(store._tx.db, "UPDATE meta SET value = '98' WHERE name = 'needs'")
    store.close()
    with pytest.raises(StorageRefused, match="has schema 99 and needs a program that knows 98"):
        store.open()


def test_a_server_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MIN_SERVER", 990000)
    with pytest.raises(StorageRefused, match="at least 14 is needed"):
        store_in(tmp_path, FakeClock()).open()


def test_a_schema_may_have_any_name_and_is_independent(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    odd = connection.read_url(f"{place.target}&schema=it's%20%22odd%22")
    one, other = PostgresStore(odd), PostgresStore(place)
    for store in (one, other):
        store.open()
    before = other.last_event()
    with one.transaction():
        one.insert([new_job()])
        with other.transaction():
            other.insert([new_job()])
        assert other.last_event() > before  # the feed of one does not wait for the other
    assert (one.states()["enqueued"], other.states()["enqueued"]) == (1, 1)
    for store in (one, other):
        store.close()


@pytest.mark.parametrize(("durability", "waits"), [("full", "on"), ("normal", "off")])
def test_durability_is_a_setting_of_our_transactions(tmp_path: Path, durability: str, waits: str) -> None:
    line = Connector(place_of(tmp_path), durability).open()
    assert run(line.db, "SHOW synchronous_commit").fetchone() == (waits,)
    line.db.close()


def test_times_are_those_of_the_server(tmp_path: Path) -> None:
    store = PostgresStore(place_of(tmp_path))
    store.open()
    job = new_job(delay=5.0)
    before = store.now()
    with store.transaction():
        store.insert([job])
    stored = store.job(job.id)
    assert stored is not None
    error = 1_000_000  # the server's clock is known but for half a round trip
    assert before - error <= stored.created_at <= store.now() + error
    assert stored.run_at == stored.created_at + 5_000_000
    assert abs(stored.created_at / 1e6 - time.time()) < 60
    store.close()
