"""Rules of `rescue`: whose jobs are requeued, in which state, and what is counted."""

from __future__ import annotations

import pytest

from holdfast.core.commands import Action
from holdfast.core.job import CRASHES_BEFORE_ISOLATION, CRASHES_TO_QUARANTINE, Claimed
from holdfast.core.states import LEASE_EXPIRED, State, Verb
from holdfast.storage.protocol import Store
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.writes import DrainWorker, Rescue, RetireWorker
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import LEASE, StoreDriver
from holdfast.testing.factories import new_job


class RescueRules(Rules):
    def test_a_worker_that_is_known_to_have_ended(self, driver: StoreDriver) -> None:
        driver.register("worker-2")
        claimed, other = driver.start(), driver.start(worker="worker-2")
        driver.report(claimed, saved='{"at":5}')
        assert driver.rescue(driver.worker) == [(claimed.id, "noop", driver.worker, State.ENQUEUED, 1)]
        assert driver.rescue(driver.worker) == []
        again = driver.again(claimed.id, worker="worker-2")
        assert (again.token, again.attempt, again.saved, again.crashes) == (2, 1, '{"at":5}', 1)
        assert driver.read(other.id).state == State.PROCESSING

    def test_a_worker_whose_lease_has_run_out(self, driver: StoreDriver, clock: FakeClock) -> None:
        claimed = driver.start()
        clock.advance(LEASE - 1)
        assert driver.rescue() == []
        driver.heartbeat(driver.worker)
        clock.advance(LEASE)
        assert driver.rescue() == []
        clock.advance(1)
        assert [swept.id for swept in driver.rescue()] == [claimed.id]
        assert driver.heartbeat(driver.worker) == set()

    def test_the_history_says_why(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        """How the process ended, where that is known."""
        driver.register("worker-2")
        known, unknown = driver.start(), driver.start(worker="worker-2")
        clock.advance(LEASE + 1)
        driver.run(Rescue([driver.worker], why="process died (SIGKILL)"))
        assert store.history(known.id)[-1].reason == "process died (SIGKILL)"
        assert store.history(unknown.id)[-1].reason == LEASE_EXPIRED

    def test_a_worker_whose_row_is_gone(self, store: Store, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.run(RetireWorker(driver.worker))
        assert [swept.id for swept in driver.rescue()] == [claimed.id]

    def test_a_draining_worker_keeps_its_jobs(self, store: Store, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.run(DrainWorker(driver.worker))
        assert driver.rescue() == []
        assert driver.end(claimed, Verb.SUCCEED) == State.SUCCEEDED

    def test_a_job_that_runs_long_is_left_alone(self, driver: StoreDriver, clock: FakeClock) -> None:
        claimed = driver.start()
        for _ in range(100):
            clock.advance(LEASE - 1)
            driver.heartbeat(driver.worker)
            assert driver.rescue() == []
        assert driver.end(claimed, Verb.SUCCEED) == State.SUCCEEDED

    def test_a_clock_that_stands_still(self, driver: StoreDriver) -> None:
        """A worker that starts and claims in the tick of a rescue is not taken for the one that died."""
        first = driver.start()
        driver.rescue(driver.worker)
        driver.register("worker-2")
        second = driver.again(first.id, worker="worker-2")
        assert driver.rescue(driver.worker) == []
        assert driver.end(first, Verb.SUCCEED) == LOST
        assert driver.end(second, Verb.SUCCEED) == State.SUCCEEDED

    def test_many_at_once(self, driver: StoreDriver) -> None:
        driver.insert(*[new_job() for _ in range(500)])
        driver.claim(limit=500)
        assert len(driver.rescue(driver.worker)) == 500
        assert driver.store.states()["enqueued"] == 500

    @pytest.mark.parametrize(
        ("action", "state"), [(Action.PAUSE, State.PAUSED), (Action.CANCEL, State.CANCELLED)]
    )
    def test_a_request_is_honoured(self, driver: StoreDriver, action: Action, state: State) -> None:
        claimed = driver.start()
        driver.command(claimed.id, action, actor="ann", reason="stop it")
        [swept] = driver.rescue(driver.worker)
        job = driver.read(claimed.id)
        assert (swept.state, job.state, job.reason, job.actor) == (state, state, "stop it", "ann")
        assert (job.requested, job.requested_by) == (None, None)
        assert (job.expires_at is not None) == (state is State.CANCELLED)

    def test_crashes_are_counted_until_the_job_is_a_suspect(self, driver: StoreDriver) -> None:
        """Alone in a child process, only the death of that child counts on: see `Settlement.crashed`."""
        claimed, counted = driver.start(), list[int]()
        for n in range(4):
            state, crashes = self._crash(driver, claimed)
            assert state == State.ENQUEUED
            counted.append(crashes)
            claimed = driver.again(claimed.id, worker=driver.register(f"next-{n}"))
        assert counted == [1, CRASHES_BEFORE_ISOLATION, CRASHES_BEFORE_ISOLATION, CRASHES_BEFORE_ISOLATION]
        assert claimed.crashes == CRASHES_BEFORE_ISOLATION

    def test_a_crash_that_a_worker_tells_of_counts_without_end(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        for crashes in range(1, CRASHES_TO_QUARANTINE + 2):
            driver.end(claimed, Verb.RELEASE, crashed=True)
            claimed = driver.again(claimed.id)
            assert claimed.crashes == crashes
        self._crash(driver, claimed)
        assert driver.read(claimed.id).crashes == CRASHES_TO_QUARANTINE + 1

    def test_crashes_are_not_failures(self, driver: StoreDriver) -> None:
        claimed = driver.start(max_attempts=1)
        self._crash(driver, claimed)
        again = driver.again(claimed.id, worker=driver.register("worker-2"))
        assert (again.attempt, again.crashes, again.max_attempts) == (1, 1, 1)

    def test_the_fleet_shows_who_was_lost(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        driver.start()
        driver.rescue(driver.worker)
        [row] = store.workers()
        assert (row.state, row.lost_at, row.busy) == ("lost", clock(), 0)
        clock.advance(86_401)
        driver.rescue()
        assert store.workers() == []

    def _crash(self, driver: StoreDriver, claimed: Claimed) -> tuple[str, int]:
        worker = driver.read(claimed.id).worker
        assert worker is not None
        [swept] = driver.rescue(worker)
        return swept.state, swept.crashes
