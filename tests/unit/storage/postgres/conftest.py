"""A store in a schema of its own, and a connection to it that may write what it likes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.storage.postgres.connection import Connection, Connector
from holdfast.storage.postgres.store import PostgresStore
from holdfast.testing import FakeClock
from tests.servers.postgres import store_in


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, clock: FakeClock) -> Iterator[PostgresStore]:
    store = store_in(tmp_path_factory.mktemp("store"), clock)
    store.open()
    yield store
    store.close()


@pytest.fixture(scope="module")
def db(store: PostgresStore) -> Iterator[Connection]:
    db = Connector(store.place, "normal").open().db
    yield db
    db.close()
