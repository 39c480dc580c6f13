"""One store for the tests of a module, in a schema of its own beside the caller's tables."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import psycopg
import pytest

from holdfast import Holdfast, Job
from holdfast.storage.protocol import Store
from tests.servers.postgres import place_of, shared_url
from tests.unit.client.hand import Hand


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> str:
    return place_of(tmp_path_factory.mktemp("joined")).schema


@pytest.fixture(scope="module")
def url() -> str:
    """The database of the store, as the caller's own connections reach it."""
    return shared_url()


@pytest.fixture(scope="module")
def app(url: str, schema: str) -> Generator[Holdfast]:
    app = Holdfast(database_url=f"{url}{'&' if '?' in url else '?'}schema={schema}")

    @app.job(queue="shop", tags=["receipt"])
    def send(order: str, copies: int = 1) -> None: ...

    yield app
    app.close()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@pytest.fixture(scope="module")
def send(app: Holdfast) -> Job[Any, Any]:
    (kind,) = app.registry
    return Job(kind, app, kind.function)


@pytest.fixture(scope="module")
def store(app: Holdfast) -> Store:
    return app.open().store


@pytest.fixture(scope="module")
def hand(app: Holdfast) -> Hand:
    return Hand(app)
