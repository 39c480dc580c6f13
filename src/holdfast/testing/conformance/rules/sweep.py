"""Rules of `sweep`: whose jobs are given back, where they go, and what is counted."""

from __future__ import annotations

import pytest

from holdfast.core.commands import Action
from holdfast.core.job import CRASHES_TO_QUARANTINE, SUSPECT, Claimed
from holdfast.core.states import LEASE_EXPIRED, State, Verb
from holdfast.storage.protocol import LOST, Store
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import LEASE, StoreDriver
from holdfast.testing.factories import new_job


class SweepRules(Rules):
    def test_a_worker_that_is_known_to_have_ended(self, driver: StoreDriver) -> None:
        driver.register("worker-2")
        claimed, other = driver.start(), driver.start(worker="worker-2")
        driver.report(claimed, saved='{"at":5}')
        assert driver.sweep(driver.worker) == [(claimed.id, "noop", driver.worker, State.ENQUEUED, 1)]
        assert driver.sweep(driver.worker) == []
        again = driver.again(claimed.id, worker="worker-2")
        assert (again.token, again.attempt, again.saved, again.crashes) == (2, 1, '{"at":5}', 1)
        assert driver.read(other.id).state == State.PROCESSING

    def test_a_worker_whose_lease_has_run_out(self, driver: StoreDriver, clock: FakeClock) -> None:
        claimed = driver.start()
        clock.advance(LEASE - 1)
        assert driver.sweep() == []
        driver.beat(driver.worker)
        clock.advance(LEASE)
        assert driver.sweep() == []
        clock.advance(1)
        assert [swept.id for swept in driver.sweep()] == [claimed.id]
        assert driver.beat(driver.worker) == set()

    def test_the_history_says_why(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        """How the process ended, where that is known."""
        driver.register("worker-2")
        known, unknown = driver.start(), driver.start(worker="worker-2")
        clock.advance(LEASE + 1)
        driver.do(store.sweep, [driver.worker], why="process died (SIGKILL)")
        assert store.history(known.id)[-1].reason == "process died (SIGKILL)"
        assert store.history(unknown.id)[-1].reason == LEASE_EXPIRED

    def test_a_worker_whose_row_is_gone(self, store: Store, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.do(store.retire_worker, driver.worker)
        assert [swept.id for swept in driver.sweep()] == [claimed.id]

    def test_a_draining_worker_keeps_its_jobs(self, store: Store, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.do(store.drain_worker, driver.worker)
        assert driver.sweep() == []
        assert driver.end(claimed, Verb.SUCCEED) == State.SUCCEEDED

    def test_a_job_that_runs_long_is_left_alone(self, driver: StoreDriver, clock: FakeClock) -> None:
        claimed = driver.start()
        for _ in range(100):
            clock.advance(LEASE - 1)
            driver.beat(driver.worker)
            assert driver.sweep() == []
        assert driver.end(claimed, Verb.SUCCEED) == State.SUCCEEDED

    def test_a_clock_that_stands_still(self, driver: StoreDriver) -> None:
        """A worker that starts and claims in the tick of a sweep is not taken for the one that died."""
        first = driver.start()
        driver.sweep(driver.worker)
        driver.register("worker-2")
        second = driver.again(first.id, worker="worker-2")
        assert driver.sweep(driver.worker) == []
        assert driver.end(first, Verb.SUCCEED) == LOST
        assert driver.end(second, Verb.SUCCEED) == State.SUCCEEDED

    def test_many_at_once(self, driver: StoreDriver) -> None:
        driver.insert(*[new_job() for _ in range(500)])
        driver.claim(limit=500)
        assert len(driver.sweep(driver.worker)) == 500
        assert driver.store.states()["enqueued"] == 500

    @pytest.mark.parametrize(
        ("action", "state"), [(Action.PAUSE, State.PAUSED), (Action.CANCEL, State.CANCELLED)]
    )
    def test_a_request_is_honoured(self, driver: StoreDriver, action: Action, state: State) -> None:
        claimed = driver.start()
        driver.command(claimed.id, action, actor="ann", reason="stop it")
        [swept] = driver.sweep(driver.worker)
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
        assert counted == [1, SUSPECT, SUSPECT, SUSPECT]
        assert claimed.crashes == SUSPECT

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
        driver.sweep(driver.worker)
        [row] = store.workers()
        assert (row.state, row.lost_at, row.busy) == ("lost", clock(), 0)
        clock.advance(86_401)
        driver.sweep()
        assert store.workers() == []

    def _crash(self, driver: StoreDriver, claimed: Claimed) -> tuple[str, int]:
        worker = driver.read(claimed.id).worker
        assert worker is not None
        [swept] = driver.sweep(worker)
        return swept.state, swept.crashes
