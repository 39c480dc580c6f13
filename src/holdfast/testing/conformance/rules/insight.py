"""Rules of the reads behind the health overview: what waits where, outcomes by type, and who led until when."""

from __future__ import annotations

from holdfast.core.facts import ROLE
from holdfast.core.records import OutcomeRecord, PartitionRecord
from holdfast.core.retention import KEEP_OUTCOMES
from holdfast.core.states import State, Verb
from holdfast.storage.protocol import Store
from holdfast.storage.verbs.maintenance import MINUTE
from holdfast.storage.writes import AggregateEvents, ReleaseLease
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import LEASE, StoreDriver


class InsightRules(Rules):
    def test_what_waits_by_queue_and_type(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        assert store.partitions(cap=10) == []
        oldest = driver.add(queue="b", type="x", priority=-5)
        clock.advance(5)
        for queue, type_, priority in (("b", "x", 0), ("b", "x", 7), ("b", "a", 0), ("a", "x", 0)):
            driver.add(queue=queue, type=type_, priority=priority)
        for state in (State.SCHEDULED, State.PAUSED, State.PROCESSING, State.FAILED):
            driver.job_in(state, queue="other")
        assert store.partitions(cap=10) == [
            PartitionRecord("a", "x", 1, clock()),
            PartitionRecord("b", "a", 1, clock()),
            PartitionRecord("b", "x", 3, oldest.created_at),
        ]
        assert [row.enqueued for row in store.partitions(cap=2)] == [1, 1, 2]

    def test_a_partition_that_is_empty_again_is_none(self, store: Store, driver: StoreDriver) -> None:
        driver.end(driver.start(), Verb.SUCCEED)
        assert store.partitions(cap=10) == []

    def test_outcomes_count_attempts_by_type(
        self, store: Store, driver: StoreDriver, clock: FakeClock
    ) -> None:
        for verb in (Verb.SUCCEED, Verb.SUCCEED, Verb.FAIL, Verb.STOP, Verb.RELEASE):
            driver.end(driver.start(type="mixed"), verb)
        retried = driver.start(type="bad")
        driver.end(retried, Verb.RETRY_LATER, reason="retry")
        driver.end(driver.start(type="bad"), Verb.SNOOZE, reason="snoozed")
        driver.end(driver.start(type="bad"), Verb.FAIL)
        assert driver.run(AggregateEvents(1000)) > 0
        assert driver.run(AggregateEvents(1000)) == 0  # a second scheduler by accident
        minute = clock() // MINUTE * MINUTE
        bad = OutcomeRecord("bad", 0, 2, 2, minute)
        assert store.outcomes(since=clock()) == [bad, OutcomeRecord("mixed", 2, 1, 0, None)]

    def test_a_success_ends_what_was_failing(
        self, store: Store, driver: StoreDriver, clock: FakeClock
    ) -> None:
        first = clock()
        for verb in (Verb.FAIL, Verb.SUCCEED, Verb.FAIL, Verb.FAIL):
            driver.worker = driver.register(
                f"worker-at-{clock()}"
            )  # the one before is lost within the minute
            driver.end(driver.start(type="t"), verb)
            driver.run(AggregateEvents(1000))
            clock.advance(60)
        third = (first + 2 * MINUTE) // MINUTE * MINUTE
        driver.worker = driver.register("the-last")
        assert store.outcomes(since=first) == [OutcomeRecord("t", 1, 3, 2, third)]
        driver.end(driver.start(type="t"), Verb.SUCCEED)
        driver.run(AggregateEvents(1000))
        assert store.outcomes(since=first) == [OutcomeRecord("t", 2, 3, 0, None)]
        assert store.outcomes(since=clock()) == [OutcomeRecord("t", 1, 0, 0, None)]

    def test_outcomes_are_kept_for_a_day(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        since = clock()
        driver.end(driver.start(), Verb.FAIL)
        driver.run(AggregateEvents(1000))
        driver.expire()
        assert len(store.outcomes(since=since)) == 1
        clock.advance(KEEP_OUTCOMES + 60)
        driver.expire()
        assert store.outcomes(since=since) == []

    def test_when_a_role_was_led_last(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        assert store.led_until(ROLE) is None
        driver.acquire_lease(ROLE, "a", lease=LEASE)
        ends = clock() + int(LEASE * 1_000_000)
        assert store.led_until(ROLE) == ends
        clock.advance(LEASE + 100)
        assert (store.leaders(), store.led_until(ROLE)) == ([], ends)

    def test_who_resigns_led_until_then(self, store: Store, driver: StoreDriver, clock: FakeClock) -> None:
        driver.acquire_lease(ROLE, "a", lease=LEASE)
        clock.advance(5)
        assert driver.run(ReleaseLease(ROLE, "a"))
        until = clock()
        clock.advance(5)
        assert store.led_until(ROLE) == until
