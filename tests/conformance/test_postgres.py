"""PostgreSQL keeps every rule of the kit, whichever way a transaction goes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from holdfast.core.states import Verb
from holdfast.storage.postgres.store import PostgresStore
from holdfast.storage.protocol import Store
from holdfast.storage.writes import R, Write
from holdfast.testing import FakeClock, StoreDriver
from holdfast.testing.conformance import StoreConformance
from tests.servers.postgres import emptied_store_in


class TestPostgres(StoreConformance):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return emptied_store_in(folder, clock)


class FastPathDriver(StoreDriver):
    """Drives a store as the gateway does: in one round trip where the store can, else by a whole transaction."""

    round_trips = 0

    def run(self, write: Write[R]) -> R:
        assert isinstance(self.store, PostgresStore)
        results = self.store.execute([write])
        if results is None:
            return super().run(write)
        self.round_trips += 1
        return cast(R, results[0])


class TestPostgresFastPath(TestPostgres):
    @pytest.fixture
    def driver(self, store: Store, clock: FakeClock) -> StoreDriver:
        return FastPathDriver(store, clock)

    def test_the_plain_life_of_a_job_is_three_round_trips(self, driver: StoreDriver) -> None:
        driver.start(queue="q")  # its lane is known from now on
        assert isinstance(driver, FastPathDriver)
        driver.round_trips = 0
        driver.end(driver.start(queue="q"), Verb.SUCCEED)
        assert driver.round_trips == 3
