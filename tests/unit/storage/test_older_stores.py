"""Stores that the first version of each schema wrote, with jobs in every state, open and work."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pymysql
import pytest

from holdfast.core.commands import Action
from holdfast.core.query import parse
from holdfast.core.states import State, Verb
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.postgres.store import PostgresStore
from holdfast.storage.protocol import Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing import FakeClock, StoreDriver
from holdfast.testing.driver import REACHABLE
from tests.servers.mysql import DATABASES
from tests.servers.postgres import place_of

DUMPS = Path(__file__).parent / "older"


def sqlite_store(folder: Path) -> Store:
    path = folder / "holdfast.db"
    db = sqlite3.connect(path)
    db.executescript((DUMPS / "sqlite.dump").read_text())
    db.close()
    return SqliteStore(path)


def postgres_store(folder: Path) -> Store:
    place = place_of(folder)
    dump = (DUMPS / "postgres.dump").read_text()
    dump = dump.replace("{schema}", place.schema).replace("{lock_class}", str(place.lock_class))
    with psycopg.connect(place.target, autocommit=True) as db:
        db.execute(dump.encode())
    return PostgresStore(place)


def mysql_store(folder: Path) -> Store:
    DATABASES.begin()
    address = DATABASES.of(folder)
    db = pymysql.connect(
        host=address.host, port=address.port, user=address.user, database=address.database, charset="utf8mb4"
    )
    with db, db.cursor() as cursor:
        cursor.execute("SHOW TABLES")  # of the newest schema: databases of earlier tests are used again
        for (table,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE `{table}`")
        for statement in (DUMPS / "mysql.dump").read_text().split(";\n"):
            if statement.strip():
                cursor.execute(statement)
        db.commit()
    return MysqlStore(address)


OLDER = {"sqlite": sqlite_store, "postgres": postgres_store, "mysql": mysql_store}


@pytest.fixture(params=list(OLDER))
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreDriver]:
    store = OLDER[request.param](tmp_path)
    store.open()
    driver = StoreDriver(store, FakeClock())
    driver.register("worker-2")
    yield driver
    store.close()


def found(driver: StoreDriver, text: str) -> list[str]:
    query = parse(text, now=datetime(2026, 1, 1, tzinfo=UTC))
    return [row.id for row in driver.store.search(query, sort="-created", limit=100, cursor=None).items]


def only(driver: StoreDriver, state: State) -> str:
    [job_id] = found(driver, f"tag:{state}")
    return job_id


def test_every_job_is_found_with_its_history(driver: StoreDriver) -> None:
    for state in REACHABLE:
        job_id = only(driver, state)
        assert driver.read(job_id).state == state
        path = driver.path(job_id)
        assert path[0] in (State.ENQUEUED, State.SCHEDULED), path
        assert path[-1] == state


def test_every_job_can_be_moved_on(driver: StoreDriver) -> None:
    driver.command(only(driver, State.PAUSED), Action.RESUME)
    driver.command(only(driver, State.FAILED), Action.RETRY)
    driver.command(only(driver, State.SCHEDULED), Action.CANCEL)
    assert driver.read(only(driver, State.PAUSED)).state == State.ENQUEUED
    assert driver.read(only(driver, State.FAILED)).state == State.ENQUEUED
    claimed = driver.claim(worker="worker-2", limit=10)
    assert {only(driver, state) for state in (State.PAUSED, State.FAILED, State.ENQUEUED)} == {
        job.id for job in claimed
    }
    for job in claimed:
        assert driver.end(job, Verb.SUCCEED) == State.SUCCEEDED
        assert driver.path(job.id)[-2:] == [State.PROCESSING, State.SUCCEEDED]


def test_a_running_job_of_a_dead_worker_is_rescued_with_its_checkpoint(driver: StoreDriver) -> None:
    [held] = [job for job in found(driver, "state:processing") if driver.store.saved(job)]
    assert held in {swept.id for swept in driver.rescue("worker-1")}
    assert driver.read(held).state == State.ENQUEUED
    [claimed] = [job for job in driver.claim(worker="worker-2", limit=10) if job.id == held]
    assert claimed.saved == '{"track":{"items":3}}'


def test_a_removed_job_leaves_nothing_and_its_number_is_not_used_again(driver: StoreDriver) -> None:
    newest = driver.add()
    driver.command(newest.id, Action.CANCEL)
    for job_id in (newest.id, only(driver, State.SUCCEEDED)):
        driver.command(job_id, Action.DELETE)
        assert driver.store.job(job_id) is None
        assert driver.store.history(job_id) == []
    again = driver.add()
    assert again.seq > newest.seq
    assert driver.path(again.id) == [State.ENQUEUED]


def test_what_was_set_is_kept(driver: StoreDriver) -> None:
    [queue] = [queue for queue in driver.store.queues() if queue.name == "mail"]
    assert (queue.paused_by, queue.paused_reason) == ("ada", "maintenance")
    assert [row.name for row in driver.store.types()] == ["report"]
