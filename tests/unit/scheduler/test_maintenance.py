"""What the tasks do when somebody else is in their way."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest

from holdfast.scheduler.maintenance import CONTENDED_SLEEP, PromoteDueJobs
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing import FakeClock, StoreDriver


class Locked(SqliteStore):
    """A store in which somebody else has locked the jobs that are due."""

    locked = True

    def __init__(self, path: Path, clock: FakeClock) -> None:
        super().__init__(path, clock=clock, lease_clock=clock)
        self._promote, self.promote = self.promote, self._promote_unless_locked

    def _promote_unless_locked(self, limit: int) -> tuple[int, int | None]:
        return (0, self.next_due()) if self.locked else self._promote(limit)


@pytest.fixture
def store(tmp_path: Path) -> Generator[Locked]:
    clock = FakeClock()
    store = Locked(tmp_path / "jobs.db", clock)
    store.open()
    driver = StoreDriver(store, clock)
    driver.add(delay=1.0)
    clock.advance(2)
    yield store
    store.close()


def test_due_jobs_that_cannot_be_had_are_not_asked_for_without_a_pause(store: Locked) -> None:
    gateway = Gateway(store, lambda topics: None)
    task = PromoteDueJobs(gateway, store)
    assert asyncio.run(task.run_once()) == CONTENDED_SLEEP
    store.locked = False
    assert asyncio.run(task.run_once()) > 0
    assert store.states()["enqueued"] == 1
    gateway.close()
