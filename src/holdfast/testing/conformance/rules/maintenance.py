"""Rules of maintenance: promotion, retention, and the sums of the charts."""

from __future__ import annotations

import pytest

from holdfast.core.commands import Action
from holdfast.core.dump import Part, Seal
from holdfast.core.errors import StorageUnavailable
from holdfast.core.outcome import LogLine
from holdfast.core.states import FINAL_STATES, State, Verb
from holdfast.storage.protocol import Store
from holdfast.storage.writes import AggregateEvents, Prove
from holdfast.testing.call_write import CallWrite
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import REACHABLE, StoreDriver


class UpkeepRules(Rules):
    def test_a_proof_that_writes_are_taken_changes_nothing_that_is_seen(
        self, store: Store, driver: StoreDriver
    ) -> None:
        job = driver.add()
        before = (store.last_event(), store.states(), store.history(job.id), store.sealed())
        for _ in range(3):
            driver.run(Prove())
        assert (store.last_event(), store.states(), store.history(job.id), store.sealed()) == before
        driver.run(AggregateEvents(1000))

    def test_a_sealed_store_proves_nothing(self, store: Store, driver: StoreDriver) -> None:
        with store.transaction(sealed=True):
            store.seal(Seal("copy", "moved away"))
        with pytest.raises(StorageUnavailable, match="moved away"):
            driver.run(Prove())

    def test_rows_that_nobody_has_locked(self, store: Store, driver: StoreDriver) -> None:
        jobs = [driver.add().seq for _ in range(3)]
        assert driver.run(CallWrite(lambda: store.unlocked(jobs))) == set(jobs)
        assert driver.run(CallWrite(lambda: store.unlocked(jobs[1:]))) == set(jobs[1:])

    def test_promotion_takes_what_is_due_oldest_first(self, driver: StoreDriver, clock: FakeClock) -> None:
        late, soon, later = driver.add(delay=20.0), driver.add(delay=10.0), driver.add(delay=3600.0)
        assert driver.promote() == (0, soon.run_at)
        clock.advance(30)
        assert driver.promote(limit=1) == (1, late.run_at)
        assert [driver.read(job.id).state for job in (soon, late)] == [State.ENQUEUED, State.SCHEDULED]
        assert driver.promote() == (1, later.run_at)
        assert driver.store.next_due() == later.run_at
        clock.advance(3600)
        assert driver.promote() == (1, None)
        assert driver.promote() == (0, None)
        assert driver.path(soon.id) == ["scheduled", "enqueued"]

    def test_due_at_this_very_moment(self, driver: StoreDriver, clock: FakeClock) -> None:
        driver.add(delay=1.0)
        clock.advance(0.999_999)
        assert driver.promote()[0] == 0
        clock.advance(0.000_001)
        assert driver.promote()[0] == 1

    def test_a_paused_job_is_not_promoted(self, driver: StoreDriver, clock: FakeClock) -> None:
        job = driver.add(delay=1.0)
        driver.command(job.id, Action.PAUSE)
        clock.advance(2)
        assert driver.promote() == (0, None)
        assert driver.read(job.id).state == State.PAUSED

    def test_a_retry_keeps_its_reason_until_it_runs(self, driver: StoreDriver, clock: FakeClock) -> None:
        claimed = driver.start()
        driver.end(claimed, Verb.RETRY_LATER, reason="retry", run_at=clock() + 5)
        assert driver.read(claimed.id).reason == "retry"
        clock.advance(1)
        driver.promote()
        job = driver.read(claimed.id)
        assert (job.state, job.reason) == (State.ENQUEUED, "retry")

    @pytest.mark.parametrize("state", REACHABLE)
    def test_only_ended_jobs_are_removed_and_only_after_their_time(
        self, driver: StoreDriver, clock: FakeClock, state: State
    ) -> None:
        job = driver.job_in(state)
        clock.advance(86_399)
        assert driver.expire() == 0
        clock.advance(10**6)
        kept = state not in FINAL_STATES or job.expires_at is None
        assert driver.expire() == (0 if kept else 1)
        assert (driver.store.job(job.id) is not None) == kept

    def test_removal_takes_everything_along(self, driver: StoreDriver, clock: FakeClock) -> None:
        claimed = driver.start(tags=("eu",), idempotency_key="k")
        driver.report(claimed, saved="{}", progress="{}")
        driver.end(claimed, Verb.SUCCEED, keep=clock() + 5)
        newest = driver.store.last_event()
        clock.advance(1)
        assert driver.expire() == 1
        store = driver.store
        assert (store.job(claimed.id), store.saved(claimed.id), store.history(claimed.id)) == (None, None, [])
        assert [(event.kind, event.job) for event in store.events(after=newest, limit=9)] == [
            ("removed", claimed.id)
        ]
        assert driver.add(idempotency_key="k").id != claimed.id

    @pytest.mark.parametrize("deleted", [True, False])
    def test_what_is_removed_is_in_no_part_of_the_store(
        self, driver: StoreDriver, clock: FakeClock, deleted: bool
    ) -> None:
        """Rows that can no longer be read would still fill the disk."""
        claimed = driver.start(tags=("eu",))
        driver.report(claimed, saved="{}", logs=(LogLine(1, "info", "hello"),))
        driver.end(claimed, Verb.FAIL, keep=clock() + 5)
        of_jobs = (Part.JOBS, Part.SAVED, Part.LOGS, Part.HISTORY)
        assert all(driver.store.dump(part, after=None, limit=9) for part in of_jobs)
        if deleted:
            driver.command(claimed.id, Action.DELETE)
        else:
            clock.advance(1)
            driver.expire()
        assert [list(driver.store.dump(part, after=None, limit=9)) for part in of_jobs] == [[], [], [], []]

    def test_removal_in_portions_oldest_first(self, driver: StoreDriver, clock: FakeClock) -> None:
        jobs = [driver.start() for _ in range(5)]
        for n, claimed in enumerate(jobs):
            driver.end(claimed, Verb.SUCCEED, keep=clock() + 10 - n)
        clock.advance(1)
        assert [driver.expire(2), driver.expire(2)] == [2, 2]
        assert driver.store.job(jobs[0].id) is not None
        assert [driver.expire(2), driver.expire(2)] == [1, 0]

    def test_sums_count_everything_once(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        driver.run(AggregateEvents(1000))
        for verb in (Verb.SUCCEED, Verb.SUCCEED, Verb.FAIL, Verb.STOP, Verb.RELEASE):
            driver.end(driver.start(), verb)
        assert driver.run(AggregateEvents(3)) == 3  # none was aggregated for long: a batch
        assert driver.run(AggregateEvents(1000)) > 0
        assert driver.run(AggregateEvents(1000)) == 0  # a second scheduler by accident
        clock.advance(60)
        driver.heartbeat(driver.worker)
        driver.end(driver.start(), Verb.SUCCEED)
        driver.run(AggregateEvents(1000))
        start = clock() - 60_000_000
        rows = [
            (row.at, row.succeeded, row.failed, row.cancelled, row.started)
            for row in store.buckets(since=start, step=60)
        ]
        assert rows == [(start, 2, 1, 1, 5), (clock(), 1, 0, 0, 1)]
        assert [row.succeeded for row in store.buckets(since=start, step=3600)] == [3]
        assert [row.succeeded for row in store.buckets(since=clock(), step=10)] == [1]
