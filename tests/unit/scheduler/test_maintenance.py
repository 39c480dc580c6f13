"""What each maintenance task writes, and when it is due again."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from holdfast.core.states import Verb
from holdfast.scheduler import maintenance
from holdfast.scheduler.leader import Leader
from holdfast.scheduler.maintenance import (
    BATCH_PAUSE,
    CONTENDED_SLEEP,
    MAX_SLEEP,
    AggregateChart,
    ExpireEndedJobs,
    PromoteDueJobs,
    RescueExpiredLeases,
)
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.writes import R, Write
from holdfast.testing import FakeClock, StoreDriver

LEASE = 30.0

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Locked(SqliteStore):
    """A store in which another transaction can lock the jobs that are due."""

    locked = False

    def __init__(self, path: Path, clock: FakeClock) -> None:
        super().__init__(path, clock=clock, lease_clock=clock)
        self._promote, self.promote = self.promote, self._promote_unless_locked

    def _promote_unless_locked(self, limit: int) -> tuple[int, int | None]:
        return (0, self.next_due()) if self.locked else self._promote(limit)


class NotingGateway(Gateway):
    """A gateway that notes which writes it is given."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(store, lambda topics: None)
        self.writes: list[Any] = []

    async def run_async(self, operation: Write[R]) -> R:
        self.writes.append(operation)
        return await super().run_async(operation)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Generator[Locked]:
    made = Locked(tmp_path / "jobs.db", clock)
    made.open()
    yield made
    made.close()


@pytest.fixture
def driver(store: Locked, clock: FakeClock) -> StoreDriver:
    return StoreDriver(store, clock)


@pytest.fixture
def gateway(store: Locked) -> Generator[NotingGateway]:
    made = NotingGateway(store)
    yield made
    made.close()


# -- promote ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("delay", "sleep"), [(None, MAX_SLEEP), (0.3, 0.3), (60.0, MAX_SLEEP)])
async def test_promote_sleeps_until_the_next_job_is_due_but_not_for_long(
    store: Locked, gateway: NotingGateway, driver: StoreDriver, delay: float | None, sleep: float
) -> None:
    if delay is not None:
        driver.add(delay=delay)
    assert await PromoteDueJobs(gateway, store).run_once() == pytest.approx(sleep)
    assert gateway.writes == [], "nothing is due, so nothing is written"


async def test_promote_moves_what_is_due_and_sleeps_until_the_next(
    store: Locked, gateway: NotingGateway, driver: StoreDriver, clock: FakeClock
) -> None:
    due, later = driver.add(delay=1.0), driver.add(delay=2.5)
    clock.advance(2)
    assert await PromoteDueJobs(gateway, store).run_once() == pytest.approx(0.5)
    assert (driver.read(due.id).state, driver.read(later.id).state) == ("enqueued", "scheduled")


async def test_promote_comes_again_at_once_while_more_is_due(
    store: Locked,
    gateway: NotingGateway,
    driver: StoreDriver,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maintenance, "MAX_BATCH", 2)
    for _ in range(3):
        driver.add(delay=1.0)
    clock.advance(2)
    task = PromoteDueJobs(gateway, store)
    assert [await task.run_once(), await task.run_once()] == [0.0, MAX_SLEEP]
    assert store.states()["enqueued"] == 3


async def test_due_jobs_that_are_locked_are_not_tried_without_a_pause(
    store: Locked, gateway: NotingGateway, driver: StoreDriver, clock: FakeClock
) -> None:
    driver.add(delay=1.0)
    clock.advance(2)
    task = PromoteDueJobs(gateway, store)
    store.locked = True
    assert await task.run_once() == CONTENDED_SLEEP
    store.locked = False
    assert await task.run_once() > 0
    assert store.states()["enqueued"] == 1


# -- rescue -----------------------------------------------------------------------------------------------------------------


def rescue(gateway: Gateway, *, available_for: float) -> RescueExpiredLeases:
    leader = Leader(gateway, "me", 10.0, clock=lambda: 1000.0)
    leader._available_since = 1000.0 - available_for
    return RescueExpiredLeases(gateway, leader, LEASE)


async def test_rescue_requeues_the_jobs_of_expired_leases_and_logs_each(
    gateway: NotingGateway, driver: StoreDriver, clock: FakeClock
) -> None:
    expired = driver.start()
    clock.advance(3600)
    driver.register("alive")
    kept = driver.start(worker="alive")
    with capture_logs() as logs:
        assert await rescue(gateway, available_for=float("inf")).run_once() == LEASE / 6
    assert (driver.read(expired.id).state, driver.read(kept.id).state) == ("enqueued", "processing")
    (line,) = logs
    assert (line["job"], line["worker"], line["now"]) == (expired.id, driver.worker, "enqueued")


@pytest.mark.parametrize("seconds", [0.0, 10.0, LEASE / 2 - 1])
async def test_after_an_outage_the_living_have_half_a_lease_to_renew_theirs(
    gateway: NotingGateway, driver: StoreDriver, clock: FakeClock, seconds: float
) -> None:
    job = driver.start()
    clock.advance(3600)
    assert await rescue(gateway, available_for=seconds).run_once() == LEASE / 2 - seconds
    assert (driver.read(job.id).state, gateway.writes) == ("processing", [])
    await rescue(gateway, available_for=LEASE / 2).run_once()
    assert driver.read(job.id).state == "enqueued"


# -- expire -----------------------------------------------------------------------------------------------------------------


async def test_expire_removes_ended_jobs_in_small_batches_with_pauses(
    store: Locked,
    gateway: NotingGateway,
    driver: StoreDriver,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maintenance, "MAX_BATCH", 2)
    for _ in range(3):
        driver.end(driver.start(), Verb.SUCCEED, keep=clock() + 10_000_000)
    kept = driver.start()
    driver.end(kept, Verb.SUCCEED)
    task = ExpireEndedJobs(gateway)
    assert await task.run_once() == task.every
    assert store.states()["succeeded"] == 4
    clock.advance(11)
    assert [await task.run_once(), await task.run_once()] == [BATCH_PAUSE, task.every]
    assert driver.read(kept.id).state == "succeeded"
    assert store.states()["succeeded"] == 1


# -- the sums of the chart --------------------------------------------------------------------------------------------------


async def test_the_chart_is_summed_in_portions_and_not_without_news(
    store: Locked, gateway: NotingGateway, driver: StoreDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        driver.end(driver.start(), Verb.SUCCEED)
    monkeypatch.setattr(maintenance, "MAX_EVENT_BATCH", 5)
    task = AggregateChart(gateway, store)
    delays = [await task.run_once()]
    while delays[-1] == BATCH_PAUSE:
        delays.append(await task.run_once())
    assert len(delays) > 1
    assert delays[-1] == task.every
    written = len(gateway.writes)
    assert await task.run_once() == task.every
    assert len(gateway.writes) == written, "no event has come, so nothing is written"
    driver.add()
    await task.run_once()
    assert len(gateway.writes) == written + 1
