"""A store on a database of its own, by the server's clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.storage.mysql import MysqlStore
from tests.servers.mysql import DATABASES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MysqlStore]:
    DATABASES.begin()
    store = MysqlStore(DATABASES.of(tmp_path))
    store.open()
    yield store
    store.close()
