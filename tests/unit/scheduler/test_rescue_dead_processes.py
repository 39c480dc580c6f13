"""Who has died on this host is buried at once: its jobs go back, and another one may lead. No lease ends here."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from holdfast.core.facts import ROLE
from holdfast.core.job import ClaimRequest
from holdfast.runtime.process_locks import HeldLock, ProcessLocks
from holdfast.scheduler.leader import holder_of
from holdfast.scheduler.maintenance import RescueDeadProcesses
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.writes import AcquireLease, Claim, Insert, RegisterWorker
from holdfast.testing import FakeClock
from holdfast.testing.factories import new_job, worker_row

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class House:
    """A store with two workers, each with a job, of which one also leads."""

    def __init__(self, folder: Path) -> None:
        clock = FakeClock()
        self.store = SqliteStore(folder / "holdfast.db", clock=clock, lease_clock=clock)
        self.store.open()
        self.gateway = Gateway(self.store, lambda topics: None)
        self.locks = ProcessLocks(folder / "processes")
        self.held: dict[str, HeldLock] = {}
        self.jobs: dict[str, str] = {}
        for worker in ("first", "second"):
            lock = self.locks.hold(worker)
            assert lock is not None
            self.held[worker] = lock
            job = new_job()
            self.gateway.run(RegisterWorker(worker_row(worker), lease=60))
            self.gateway.run(Insert([job]))
            self.gateway.run(Claim(ClaimRequest(worker, 1, frozenset({job.type}), ())))
            self.jobs[worker] = job.id
        self.gateway.run(AcquireLease(ROLE, holder_of("host", 1, "first"), lease=60))

    async def rescue_dead(self, *, keeps: tuple[str, ...] = ()) -> dict[str, str]:
        """The states of the jobs afterwards, by worker."""
        await RescueDeadProcesses(self.gateway, self.store, self.locks, lambda: keeps).run_once()
        found = {worker: self.store.job(job) for worker, job in self.jobs.items()}
        return {worker: job.state for worker, job in found.items() if job is not None}

    def close(self) -> None:
        for lock in self.held.values():
            lock.close()
        self.gateway.close()
        self.store.close()


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    made = House(tmp_path)
    yield made
    made.close()


async def test_the_living_are_left_alone(house: House) -> None:
    assert await house.rescue_dead() == {"first": "processing", "second": "processing"}
    assert [leader.holder for leader in house.store.leaders()] == ["host:1:first"]


async def test_the_dead_give_back_their_jobs_and_the_lead(house: House) -> None:
    house.held.pop("first").close()  # as the kernel does it
    assert await house.rescue_dead() == {"first": "enqueued", "second": "processing"}
    assert house.store.leaders() == []
    assert house.locks.dead() == [], "nothing is left to be done for it"


async def test_a_worker_whose_supervisor_is_here_is_left_to_it(house: House) -> None:
    house.held.pop("first").close()
    assert await house.rescue_dead(keeps=("first",)) == {"first": "processing", "second": "processing"}
    assert house.locks.dead() == ["first"]
