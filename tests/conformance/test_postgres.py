"""PostgreSQL keeps every rule of the kit."""

from __future__ import annotations

from pathlib import Path

from holdfast.storage.protocol import Store
from holdfast.testing import FakeClock
from holdfast.testing.conformance import StoreConformance
from tests.servers.postgres import emptied_store_in


class TestPostgres(StoreConformance):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return emptied_store_in(folder, clock)
