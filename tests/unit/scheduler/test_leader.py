"""One process leads at a time, by a clock that it trusts for less than its lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator
from pathlib import Path

import pytest

from holdfast.core.errors import StorageUnavailable
from holdfast.core.facts import ROLE
from holdfast.core.states import State
from holdfast.scheduler.leader import MIN_INTERVAL, TRUST, Leader, LeaderOnly, lease_of
from holdfast.scheduler.maintenance import RescueExpiredLeases
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.writes import AcquireLease, R, Write
from holdfast.testing import FakeClock, StoreDriver

LEASE = 8.0

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Counting:
    """A task that counts how often it is done."""

    name = "count"
    topics = ()

    def __init__(self) -> None:
        self.done = 0

    async def run_once(self) -> float:
        self.done += 1
        return 1.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gateway(tmp_path: Path, clock: FakeClock) -> Generator[Gateway]:
    store = SqliteStore(tmp_path / "leader.db", clock=clock, lease_clock=clock)
    store.open()
    gateway = Gateway(store, lambda topics: None)
    yield gateway
    gateway.close()
    store.close()


def leader(gateway: Gateway, clock: FakeClock, holder: str = "a") -> Leader:
    return Leader(gateway, holder, LEASE, lambda: clock() / 1_000_000)


async def test_the_first_one_leads_and_the_second_follows(gateway: Gateway, clock: FakeClock) -> None:
    first, second = leader(gateway, clock), leader(gateway, clock, "b")
    assert await first.run_once() == LEASE / 4
    assert await second.run_once() == LEASE / 5
    assert (first.leads, second.leads) == (True, False)
    await first.resign()
    clock.advance(MIN_INTERVAL)
    await second.run_once()
    assert (first.leads, second.leads) == (False, True)


async def test_it_stops_believing_before_the_lease_ends(gateway: Gateway, clock: FakeClock) -> None:
    first, second = leader(gateway, clock), leader(gateway, clock, "b")
    await first.run_once()
    clock.advance(TRUST * LEASE)
    assert not first.leads
    await second.run_once()
    assert not second.leads, "for a moment there is no leader: there are never two"
    clock.advance(LEASE)
    await second.run_once()
    await first.run_once()
    assert (first.leads, second.leads) == (False, True)


async def test_a_storm_of_wake_ups_asks_the_store_four_times_a_second(
    gateway: Gateway, clock: FakeClock
) -> None:
    follower, asked = leader(gateway, clock, "b"), 0
    await leader(gateway, clock).run_once()
    call = gateway.run_async

    async def counted(*args: object, **kwargs: object) -> object:
        nonlocal asked
        asked += 1
        return await call(*args, **kwargs)  # type: ignore[arg-type]

    gateway.run_async = counted  # type: ignore[method-assign]
    for _ in range(100):
        await follower.run_once()
        clock.advance(0.01)
    assert asked == 4


async def test_a_task_waits_until_it_is_led(gateway: Gateway, clock: FakeClock) -> None:
    task, mine = Counting(), leader(gateway, clock, "b")
    other = leader(gateway, clock)
    await other.run_once()
    await mine.run_once()
    led = asyncio.create_task(LeaderOnly(task, mine).run_once())
    await asyncio.sleep(0)
    assert task.done == 0
    await other.resign()
    clock.advance(MIN_INTERVAL)
    await mine.run_once()
    assert await led == 1.0
    assert task.done == 1


async def test_who_leads_no_longer_does_nothing_more(gateway: Gateway, clock: FakeClock) -> None:
    task, mine = Counting(), leader(gateway, clock)
    await mine.run_once()
    await LeaderOnly(task, mine).run_once()
    clock.advance(LEASE)
    waiting = asyncio.create_task(LeaderOnly(task, mine).run_once())
    await asyncio.sleep(0)
    assert task.done == 1
    waiting.cancel()


async def test_resigning_twice_or_before_it_led_is_harmless(gateway: Gateway, clock: FakeClock) -> None:
    mine = leader(gateway, clock)
    await mine.resign()
    await mine.run_once()
    await mine.resign()
    await mine.resign()
    assert gateway.run(AcquireLease(ROLE, "b", lease=LEASE)) == 2


async def test_a_rescue_never_waits_for_a_leader_longer_than_for_a_worker() -> None:
    assert lease_of(3.0) == 3.0
    assert lease_of(30.0) == 10.0


class Away(Gateway):
    """A way to the store whose results are late, or do not come."""

    late = 0.0
    closed = False

    async def run_async(self, write: Write[R]) -> R:
        self.clock.advance(self.late)
        if self.closed:
            raise StorageUnavailable("storage unavailable")
        return await super().run_async(write)

    clock: FakeClock


@pytest.mark.parametrize("how", ["late", "closed"])
async def test_after_a_silence_of_the_store_workers_have_time_to_renew_their_leases(
    tmp_path: Path, clock: FakeClock, how: str
) -> None:
    store = SqliteStore(tmp_path / "away.db", clock=clock, lease_clock=clock)
    store.open()
    gateway = Away(store, lambda topics: None)
    gateway.clock = clock
    driver = StoreDriver(store, clock)
    one = leader(gateway, clock)
    rescue = RescueExpiredLeases(gateway, one, LEASE)
    await one.run_once()
    job = driver.start()
    clock.advance(LEASE / 4)
    gateway.late, gateway.closed = 20 * LEASE, how == "closed"  # longer than every lease
    with contextlib.suppress(StorageUnavailable):
        await one.run_once()
    gateway.late, gateway.closed = 0.0, False
    clock.advance(LEASE / 8)
    assert await rescue.run_once() == pytest.approx(LEASE / 2 - LEASE / 8)
    assert driver.read(job.id).state == State.PROCESSING, "its worker could not say that it lives"
    clock.advance(LEASE / 2)
    await rescue.run_once()
    assert driver.read(job.id).state == State.ENQUEUED, "it had its time"
    gateway.close()
    store.close()
