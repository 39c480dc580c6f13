"""PostgreSQL keeps every rule of the kit, whichever way a transaction goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from holdfast.core.states import Verb
from holdfast.storage.postgres.store import PostgresStore
from holdfast.storage.protocol import Store
from holdfast.testing import FakeClock, StoreDriver
from holdfast.testing.conformance import StoreConformance
from tests.servers.postgres import emptied_store_in

P = ParamSpec("P")
T = TypeVar("T")


class TestPostgres(StoreConformance):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return emptied_store_in(folder, clock)


class DirectDriver(StoreDriver):
    """Drives a store as the gateway does: in one exchange where the store can, else by a whole transaction."""

    directly = 0

    def do(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        assert isinstance(self.store, PostgresStore)
        if not kwargs and getattr(verb, "__self__", None) is self.store:
            answers = self.store.directly([(verb.__name__, args)])
            if answers is not None:
                self.directly += 1
                return answers[0]
        return super().do(verb, *args, **kwargs)


class TestPostgresDirectly(TestPostgres):
    @pytest.fixture
    def driver(self, store: Store, clock: FakeClock) -> StoreDriver:
        return DirectDriver(store, clock)

    def test_the_plain_life_of_a_job_is_three_exchanges(self, driver: StoreDriver) -> None:
        driver.start(queue="q")  # its lane is known from now on
        assert isinstance(driver, DirectDriver)
        driver.directly = 0
        driver.end(driver.start(queue="q"), Verb.SUCCEED)
        assert driver.directly == 3
