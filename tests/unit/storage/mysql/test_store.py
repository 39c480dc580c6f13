"""The store on a real server: migrations, refusals, lost connections, forks, clocks, deadlocks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from holdfast.core.commands import Action
from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.core.job import ClaimRequest
from holdfast.storage.errors import Contended
from holdfast.storage.gateway import Gateway
from holdfast.storage.mysql import MysqlStore
from holdfast.storage.mysql import transaction as session
from holdfast.storage.mysql.address import read_address
from holdfast.storage.mysql.admin import MysqlCare
from holdfast.storage.mysql.connection import Connection, connect
from holdfast.storage.writes import AcquireLease, Insert
from holdfast.testing import new_job
from holdfast.testing.factories import TYPE, worker_row
from tests.servers.mysql import administrator, url_of


@pytest.fixture
def bare() -> Iterator[str]:
    """A database without a table."""
    name = f"holdfast_test_{os.getpid()}_bare"
    with administrator().cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    yield name
    with administrator().cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


@contextmanager
def another(store: MysqlStore) -> Iterator[Connection]:
    """A connection of another client."""
    connection, _ = connect(store.address)
    try:
        yield connection
    finally:
        connection.close()


def connections_of(store: MysqlStore) -> list[int]:
    with administrator().cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> connection_id()",
            (store.address.database,),
        )
        return [number for (number,) in cursor.fetchall()]


def kill_all(store: MysqlStore) -> None:
    with administrator().cursor() as cursor:
        for number in connections_of(store):
            cursor.execute(f"KILL {number}")


def opened(name: str) -> None:
    store = MysqlStore(read_address(url_of(name)))
    store.open()
    store.close()


# -- the schema -------------------------------------------------------------------------------------------------------------


def test_many_may_open_a_new_database_at_once(bare: str) -> None:
    failures: list[Exception] = []

    def start() -> None:
        try:
            opened(bare)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    status = MysqlCare(read_address(url_of(bare))).status()
    assert (status.exists, status.applied, status.pending) == (True, status.known, ())


def test_a_start_that_was_cut_short_is_ended_by_the_next(bare: str) -> None:
    opened(bare)
    with administrator().cursor() as cursor:
        cursor.execute(f"DELETE FROM {bare}.holdfast_migrations")
        cursor.execute(f"DROP TABLE {bare}.leaders")
    opened(bare)
    assert MysqlCare(read_address(url_of(bare))).check() == []


def test_a_database_with_foreign_tables_is_left_alone(bare: str) -> None:
    with administrator().cursor() as cursor:
        cursor.execute(f"CREATE TABLE {bare}.jobs (title TEXT)")
    with pytest.raises(StorageRefused, match="a table named jobs that Holdfast has not made"):
        opened(bare)


def test_a_database_that_needs_a_newer_program_is_refused(bare: str) -> None:
    opened(bare)
    with administrator().cursor() as cursor:
        cursor.execute(f"INSERT INTO {bare}.holdfast_migrations VALUES (999, 'later', 0)")
    administrator().commit()
    opened(bare)  # it was only added to
    with administrator().cursor() as cursor:
        cursor.execute(f"UPDATE {bare}.meta SET value = 999 WHERE name = 'needs'")
    administrator().commit()
    with pytest.raises(StorageRefused, match="Upgrade this program"):
        opened(bare)


def test_a_database_that_is_not_there() -> None:
    administrator()
    with pytest.raises(StorageRefused, match="CREATE DATABASE"):
        opened("holdfast_test_never_made")


# -- the server's own affairs -----------------------------------------------------------------------------------------------


def test_facts_show_how_durable_the_server_is(store: MysqlStore) -> None:
    with administrator().cursor() as cursor:
        cursor.execute("SELECT @@innodb_flush_log_at_trx_commit")
        [(flush,)] = cursor.fetchall()
    facts = store.info()
    assert str(facts["durability"]).startswith({0: "none", 1: "full", 2: "normal"}[flush])
    assert "MariaDB" in str(facts["database"]) or "MySQL" in str(facts["database"])


def test_the_clock_is_the_servers(store: MysqlStore) -> None:
    """A host whose own clock is wrong stamps and leases by the server's."""
    with store.transaction():
        store.insert([job := new_job()])
    with administrator().cursor() as cursor:
        cursor.execute("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)")
        [(server,)] = cursor.fetchall()
    stored = store.job(job.id)
    assert stored is not None
    assert 0 <= server - stored.created_at < 10_000_000
    assert abs(store.now() - server) < 5_000_000


def test_a_lost_connection_is_opened_again_by_the_next_call(
    store: MysqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(store, lambda topics: None)
    gateway.run(Insert([new_job()]))
    assert store.states()["enqueued"] == 1
    kill_all(store)
    assert store.states()["enqueued"] == 1  # looking is repeated at once
    job = new_job()
    with pytest.raises(StorageUnavailable, match="safe to repeat"):
        gateway.run(Insert([job]))
    assert gateway.run(Insert([job])) == [(job.id, True)]
    kill_all(store)
    monkeypatch.setattr(session, "IDLE_SECONDS", 0.0)  # as one that was lost while idle
    assert gateway.run(Insert([new_job()]))[0].created
    gateway.close()


def test_a_connection_lost_in_the_middle_stores_nothing(store: MysqlStore) -> None:
    job = new_job()

    def insert_and_lose() -> None:
        with store.transaction():
            store.insert([job])
            kill_all(store)

    with pytest.raises(StorageUnavailable):
        insert_and_lose()
    assert store.job(job.id) is None


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_leaves_the_connections_of_its_parent_alone(store: MysqlStore) -> None:
    with store.transaction():
        store.insert([new_job()])
    store.states()
    before = sorted(connections_of(store))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            own = MysqlStore(store.address)
            own.open()
            with own.transaction():
                own.insert([new_job()])
            own.close()
            for call in (store.states, store.transaction().__enter__):
                try:
                    call()
                except StorageRefused:
                    code += 3
            store.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert set(before) <= set(connections_of(store))
    assert store.states()["enqueued"] == 2


# -- many writers -----------------------------------------------------------------------------------------------------------


def test_a_row_that_stays_locked_for_too_long_is_reported_as_safe_to_repeat(store: MysqlStore) -> None:
    """The error says that the call may be repeated; nothing of the transaction is stored."""
    with store.transaction():
        store.insert([job := new_job()])
    store.close_writing()
    with another(store) as other, other.cursor() as cursor:
        cursor.execute("SELECT seq FROM jobs WHERE id = %s FOR UPDATE", (job.id,))
        late = new_job()

        def insert_and_wait() -> None:
            with store.transaction():
                store._tx.run("SET SESSION innodb_lock_wait_timeout = 1")
                store.insert([late])
                store.command(job.id, Action.PAUSE, actor=None, reason=None)

        with pytest.raises(Contended, match="held a lock for too long"):
            insert_and_wait()
        assert store.job(late.id) is None


def test_a_job_that_a_person_is_changing_stops_no_claim(store: MysqlStore) -> None:
    first, second = new_job(), new_job()
    with store.transaction():
        store.insert([first, second])
        store.register_worker(worker_row("w"), lease=60.0)
    with another(store) as other, other.cursor() as cursor:
        cursor.execute("SELECT seq FROM jobs WHERE id = %s FOR UPDATE", (first.id,))
        request = ClaimRequest("w", 5, frozenset({TYPE}))
        with store.transaction():
            assert [job.id for job in store.claim(request)] == [second.id]
        other.rollback()
    with store.transaction():
        assert [job.id for job in store.claim(request)] == [first.id]


def test_a_deadlock_never_reaches_a_caller(store: MysqlStore) -> None:
    """Two who store the same keys in opposite order are in each other's way, every time."""
    stores = [store, MysqlStore(store.address)]
    stores[1].open()
    gateways = [Gateway(one, lambda topics: None) for one in stores]
    barrier = threading.Barrier(2)
    results: list[object] = []

    def write(number: int) -> None:
        for turn in range(15):
            keys = [f"{turn}-{n}" for n in range(8)]
            jobs = [new_job(unique_key=key) for key in (keys if number else keys[::-1])]
            barrier.wait(30)
            try:
                results.append(len(gateways[number].run(Insert(jobs))))
            except Exception as error:
                results.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [8] * 30
    assert store.states()["enqueued"] == 15 * 8
    for gateway in gateways:
        gateway.close()
    stores[1].close()


def test_an_idle_transaction_is_ended(store: MysqlStore) -> None:
    """As one does whose host has lost power: the server hears nothing more of it."""
    other = MysqlStore(store.address)
    other.open()
    dead = ExitStack()
    dead.enter_context(store.transaction())
    assert store.acquire_lease("clock", "dead", lease=60.0) == 1
    gateway = Gateway(other, lambda topics: None)
    assert gateway.run(AcquireLease("clock", "living", lease=60.0)) == 1
    gateway.close()
    other.close()
    with pytest.raises(StorageUnavailable):
        dead.close()
    assert [leader.holder for leader in store.leaders()] == ["living"]
