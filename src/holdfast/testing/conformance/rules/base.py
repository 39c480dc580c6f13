"""The fixtures of every part of the kit, from the one method that a store author writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.storage.protocol import Store
from holdfast.testing.clock import FakeClock
from holdfast.testing.driver import StoreDriver


class Rules(ABC):
    """One part of the kit. Times and leases of the store must follow `clock`."""

    @abstractmethod
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        """A store that is not open yet. Called again with the same folder, it must reach the same data."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def store(self, tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
        store = self.make_store(tmp_path, clock)
        store.open()
        yield store
        store.close()

    @pytest.fixture
    def driver(self, store: Store, clock: FakeClock) -> StoreDriver:
        return StoreDriver(store, clock)
