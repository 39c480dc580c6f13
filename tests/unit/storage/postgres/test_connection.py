"""Connections that break, hang, or lead through a pooler: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from holdfast.core.errors import ConfigurationError, StorageRefused, StorageUnavailable
from holdfast.core.states import Verb
from holdfast.storage.gateway import Gateway
from holdfast.storage.postgres.connection import Bounded, Connector, Line, read_url, run
from holdfast.storage.postgres.store import PostgresStore
from holdfast.storage.writes import AcquireLease, Insert
from holdfast.testing import FakeClock
from holdfast.testing.driver import StoreDriver
from holdfast.testing.factories import new_job
from tests.servers.postgres import CALLS_STORE, place_of, shared_url, store_in
from tests.servers.proxy import Cut, Proxy


class Cutting:
    """Cuts the next so many connections when they commit."""

    def __init__(self) -> None:
        self.verdicts: list[Cut] = []

    def __call__(self, piece: bytes) -> Cut | None:
        commits = b"COMMIT" in piece or CALLS_STORE.search(piece)
        return self.verdicts.pop() if self.verdicts and commits else None


@pytest.fixture
def cutting() -> Cutting:
    return Cutting()


@pytest.fixture
def proxy(cutting: Cutting) -> Iterator[Proxy]:
    url = shared_url()
    with psycopg.connect(url) as db:
        host, port = db.info.host, db.info.port
    target = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
    with Proxy(target, watch=cutting) as proxy:
        yield proxy


@pytest.fixture
def store(tmp_path: Path, proxy: Proxy) -> Iterator[PostgresStore]:
    direct = place_of(tmp_path)
    parts = urlsplit(shared_url())
    user = parts.netloc.rpartition("@")[0]
    url = f"postgresql://{user}@{proxy.host}:{proxy.port}{parts.path}?sslmode=disable&schema={direct.schema}"
    store = PostgresStore(read_url(url))
    store.open()
    yield store
    store.close()


def test_a_connection_that_broke_while_nothing_was_under_way_is_not_felt(
    store: PostgresStore, proxy: Proxy
) -> None:
    assert store.last_event() == 0
    proxy.reset()
    with store.transaction():
        store.insert([new_job()])
    proxy.reset()
    assert store.states()["enqueued"] == 1


def test_a_server_that_cannot_be_reached_and_then_can(store: PostgresStore, proxy: Proxy) -> None:
    proxy.cut()
    with pytest.raises(StorageUnavailable, match="does not serve"), store.transaction():
        store.insert([new_job()])
    with pytest.raises(StorageUnavailable):
        store.states()
    proxy.mend()
    with store.transaction():
        store.insert([new_job()])
    assert store.states()["enqueued"] == 1


@pytest.mark.parametrize("way", ["directly", "with a transaction"])
@pytest.mark.parametrize("cut", list(Cut))
def test_an_unacknowledged_commit_is_repeated_safely(
    store: PostgresStore, cutting: Cutting, cut: Cut, way: str
) -> None:
    gateway = Gateway(store, lambda topics: None)
    for number in range(10):
        job = new_job(idempotency_key=None if way == "directly" else f"key {number}")
        cutting.verdicts = [cut]
        with pytest.raises(StorageUnavailable, match="whether the call was stored is not known"):
            gateway.run(Insert([job]))
        [again] = gateway.run(Insert([job]))
        assert again.id == job.id
        assert again.created or cut is not Cut.BEFORE
    gateway.close()
    assert store.states()["enqueued"] == 10


def test_a_settlement_whose_commit_was_not_acknowledged_is_written_once(
    store: PostgresStore, cutting: Cutting
) -> None:
    driver = StoreDriver(store, FakeClock())
    claimed = driver.start()
    cutting.verdicts = [Cut.RESPONDED]
    with pytest.raises(StorageUnavailable):
        driver.end(claimed, Verb.SUCCEED)
    driver.end(claimed, Verb.SUCCEED)
    assert driver.path(claimed.id) == ["enqueued", "processing", "succeeded"]
    assert store.states()["succeeded"] == 1


def test_jobs_whose_claim_was_not_acknowledged_are_listed_as_claims_of_the_worker(
    store: PostgresStore, cutting: Cutting
) -> None:
    driver = StoreDriver(store, FakeClock())
    job = driver.add()
    cutting.verdicts = [Cut.RESPONDED]
    with pytest.raises(StorageUnavailable):
        driver.claim()
    assert store.claims_of(driver.worker) == [(job.seq, 1)]


def test_a_network_that_moves_nothing_is_noticed(
    store: PostgresStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.ping()
    monkeypatch.setattr(Bounded, "silence", 0.7)
    proxy.black_hole()
    with pytest.raises(StorageUnavailable, match=r"no answer within 0\.7 s"):
        store.ping()
    with pytest.raises(StorageUnavailable, match="does not serve"), store.transaction():
        store.insert([new_job()])
    proxy.mend()
    with store.transaction():
        store.insert([new_job()])
    assert store.states()["enqueued"] == 1


def test_a_server_that_takes_no_writes_is_left(tmp_path: Path, store: PostgresStore) -> None:
    """As a primary that was replaced and came back as a standby."""
    with store.transaction():
        store.insert([new_job()])
    run(store._tx.db, "SET default_transaction_read_only = on")
    with pytest.raises(StorageUnavailable, match="takes no writes"), store.transaction():
        store.insert([new_job()])
    with store.transaction():  # on another connection
        store.insert([new_job()])
    assert store.states()["enqueued"] == 2


def test_an_idle_transaction_is_ended(tmp_path: Path, store: PostgresStore) -> None:
    """As one does whose host has lost power: the server hears nothing more of it."""
    other = PostgresStore(place_of(tmp_path))
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


def test_a_fork_does_not_use_what_it_has_copied(store: PostgresStore) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with store.transaction():
                code = 2
        except StorageRefused:
            try:
                store.ping()
                code = 3
            except StorageRefused:
                code = 0
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with store.transaction():
        store.insert([new_job()])


class Pooled(Connector):
    """Opens lines as it does in front of a pooler, and leaves the session as the server gives it."""

    def open(self, *, reading: bool = False) -> Line:
        line = super().open(reading=reading)
        run(line.db, "RESET ALL")
        line.db.prepare_threshold = None
        return Line(line.db, self._settings(reading, local=True))


def test_in_front_of_a_pooler_nothing_of_a_session_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.storage.postgres.store.Connector", Pooled)
    clock = FakeClock()
    store = store_in(tmp_path, clock)
    store.open()
    driver = StoreDriver(store, clock)
    for _ in range(9):
        driver.end(driver.start(unique_key="k", tags=("a",)), Verb.SUCCEED)
    assert store.states()["succeeded"] == 9
    assert store.last_event() > 0
    left = run(
        store._tx.db,
        "SELECT current_setting('search_path'), current_setting('statement_timeout'), "
        "(SELECT count(*) FROM pg_prepared_statements)",
    )
    assert left.fetchone() == ('"$user", public', "0", 0)
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@127.0.0.1:1/db",
        "postgresql://ann:s3cret@127.0.0.1:1/db?nonsense=1",
        "postgresql://ann:s3cret@127.0.0.1:1/db?schema=pg_x",
        "postgresql://ann:s3cret@[::1/db",
        "postgresql://ann:s3cret/x@127.0.0.1:1/db",
        "postgresql://ann:x@s3cret@127.0.0.1:1/db",
        "postgresql://ann:#s3cret@127.0.0.1:1/db",
        "postgresql://ann:s3cret/db",
    ],
)
def test_no_error_shows_a_password(url: str) -> None:
    with pytest.raises((ConfigurationError, StorageUnavailable)) as caught:
        PostgresStore(read_url(url)).open()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ann:x@h:1/db?schema=s", "postgresql://ann@h:1/db?schema=s"),
        (
            "postgresql:///db?host=/run/my%20pg&user=ann",
            "postgresql://ann@%2Frun%2Fmy%20pg/db?schema=holdfast",
        ),
        ("postgresql://%2Frun%2Fpg/db", "postgresql://%2Frun%2Fpg/db?schema=holdfast"),
        ("postgres://a,[::1]/db?port=1,2", "postgresql://a:1,[::1]:2/db?schema=holdfast"),
        ("postgresql://h/d%C3%A4?schema=%C3%A4", "postgresql://h/d%C3%A4?schema=%C3%A4"),
    ],
)
def test_a_place_is_shown_as_a_url_that_leads_to_it(url: str, words: str) -> None:
    assert read_url(url).words == words
    assert read_url(words).words == words


def test_parameters_reach_the_driver_as_they_were_written() -> None:
    target = read_url("postgresql:///db?options=-c%20work_mem%3D1MB&schema=x&host=/run/a+b").target
    assert conninfo_to_dict(target)["options"] == "-c work_mem=1MB"
    assert conninfo_to_dict(target)["host"] == "/run/a+b"
