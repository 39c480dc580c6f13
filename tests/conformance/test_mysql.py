"""The store on MariaDB or MySQL keeps every rule of the kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.storage.mysql import claim as claiming
from holdfast.storage.protocol import Store
from holdfast.testing import FakeClock
from holdfast.testing.conformance import StoreConformance
from tests.servers.mysql import DATABASES


class TestMysql(StoreConformance):
    @pytest.fixture(autouse=True)
    def _databases(self, monkeypatch: pytest.MonkeyPatch) -> None:
        DATABASES.begin()
        monkeypatch.setattr(
            claiming, "SLOW", float("inf")
        )  # the order of claims is asked on a machine that may be busy

    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return DATABASES.store(folder, clock)
