"""The embedded store keeps every rule of the kit."""

from __future__ import annotations

from pathlib import Path

from holdfast.storage.protocol import Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing import FakeClock
from holdfast.testing.conformance import StoreConformance


class TestSqlite(StoreConformance):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return SqliteStore(folder / "holdfast.db", clock=clock, lease_clock=clock)
