"""Rules of `insert`: what is stored, what a repeat returns, and that a batch is all or nothing."""

from __future__ import annotations

import pytest

from holdfast.core.retention import Retention
from holdfast.core.states import ACTIVE_STATES, State, Verb
from holdfast.storage.protocol import Store
from holdfast.testing.call_write import CallWrite
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import REACHABLE, StoreDriver
from holdfast.testing.factories import new_job


class InsertRules(Rules):
    def test_a_new_job_is_read_back_as_it_came(self, driver: StoreDriver, clock: FakeClock) -> None:
        job = new_job(
            args='{"name":"Ünïcödé 🦆","n":12345678901234567890}',
            queue="mail",
            priority=-7,
            owner="ann",
            tags=("eu", "vip", "eu"),
            max_attempts=3,
            timeout=1.5,
            actor="bob",
            origin="cli",
        )
        assert driver.insert(job) == [(job.id, True)]
        stored = driver.read(job.id)
        assert (stored.args, stored.queue, stored.priority, stored.owner) == (job.args, "mail", -7, "ann")
        assert (stored.tags, stored.max_attempts, stored.timeout) == ('["eu", "vip"]', 3, 1.5)
        assert (stored.actor, stored.origin, stored.attempt, stored.token) == ("bob", "cli", 0, 0)
        assert (stored.state, stored.created_at, stored.run_at) == (State.ENQUEUED, clock(), None)

    def test_a_repeated_id_stores_nothing(self, driver: StoreDriver) -> None:
        job = new_job(args='{"n":1}')
        driver.insert(job)
        assert driver.insert(new_job(id=job.id, args='{"n":2}')) == [(job.id, False)]
        assert driver.read(job.id).args == '{"n":1}'
        assert driver.path(job.id) == ["enqueued"]

    def test_a_whole_batch_may_be_repeated(self, driver: StoreDriver) -> None:
        """After an unknown commit the caller repeats with the same ids."""
        jobs = [new_job() for _ in range(5)]
        assert driver.insert(*jobs[:3]) == [(job.id, True) for job in jobs[:3]]
        assert driver.insert(*jobs) == [(job.id, index >= 3) for index, job in enumerate(jobs)]
        assert driver.store.states()["enqueued"] == 5

    def test_an_id_twice_in_one_batch_is_stored_once(self, driver: StoreDriver) -> None:
        job = new_job()
        assert driver.insert(job, job) == [(job.id, True), (job.id, False)]

    def test_an_idempotency_key_answers_with_the_first_job_in_any_state(self, driver: StoreDriver) -> None:
        first = driver.start(idempotency_key="order-1")
        for verb in (None, Verb.SUCCEED):
            if verb is not None:
                driver.end(first, verb)
            assert driver.insert(new_job(idempotency_key="order-1", type="other")) == [(first.id, False)]

    @pytest.mark.parametrize("state", REACHABLE)
    def test_a_unique_key_is_held_in_live_states_only(self, driver: StoreDriver, state: State) -> None:
        holder = driver.job_in(state, unique_key="a.csv")
        other = new_job(unique_key="a.csv")
        expected = (holder.id, False) if state in ACTIVE_STATES else (other.id, True)
        assert driver.insert(other) == [expected]

    def test_a_unique_key_is_held_between_two_attempts(self, driver: StoreDriver) -> None:
        claimed = driver.start(unique_key="a.csv")
        assert driver.end(claimed, Verb.RETRY_LATER) == State.SCHEDULED
        assert driver.insert(new_job(unique_key="a.csv")) == [(claimed.id, False)]

    def test_a_unique_key_belongs_to_one_type(self, driver: StoreDriver) -> None:
        driver.add(unique_key="a.csv")
        other = new_job(unique_key="a.csv", type="other")
        assert driver.insert(other) == [(other.id, True)]

    def test_keys_within_one_batch(self, driver: StoreDriver) -> None:
        first, second, plain = new_job(unique_key="k"), new_job(unique_key="k"), new_job()
        assert driver.insert(first, second, plain) == [(first.id, True), (first.id, False), (plain.id, True)]

    def test_of_several_that_are_there_the_id_counts_first_then_the_idempotency_key(
        self, driver: StoreDriver
    ) -> None:
        """A caller that repeats a call must get its own job, whatever keys it holds."""
        unique, once, own = driver.add(unique_key="u"), driver.add(idempotency_key="i"), driver.add()
        again = new_job(id=own.id, unique_key="u", idempotency_key="i")
        assert driver.insert(again) == [(own.id, False)]
        assert driver.insert(new_job(unique_key="u", idempotency_key="i")) == [(once.id, False)]
        assert driver.insert(new_job(unique_key="u")) == [(unique.id, False)]

    def test_all_or_nothing(self, driver: StoreDriver) -> None:
        good, bad = new_job(tags=("eu",)), new_job()
        bad.args = None  # type: ignore[assignment]  # a row that no store takes: it must raise, and take the other along
        with pytest.raises(Exception, match=r".+"):
            driver.insert(good, bad)
        assert driver.store.job(good.id) is None
        assert sum(driver.store.states().values()) == 0

    def test_what_was_rolled_back_was_never_there(self, store: Store, driver: StoreDriver) -> None:
        job = new_job(unique_key="k")
        before = store.last_event()

        def insert_and_fail() -> None:
            store.insert([job])
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            driver.run(CallWrite(insert_and_fail))
        assert (store.job(job.id), store.last_event()) == (None, before)
        assert driver.insert(new_job(unique_key="k"))[0].created

    @pytest.mark.parametrize(
        ("delay", "run_at", "state"),
        [
            (None, None, State.ENQUEUED),
            (0.0, None, State.ENQUEUED),
            (60.0, None, State.SCHEDULED),
            (None, -1, State.ENQUEUED),
            (None, 0, State.ENQUEUED),
            (None, 1, State.SCHEDULED),
        ],
    )
    def test_due_now_or_later(
        self, driver: StoreDriver, clock: FakeClock, delay: float | None, run_at: int | None, state: State
    ) -> None:
        due = None if run_at is None else clock() + run_at
        job = driver.add(delay=delay, run_at=due)
        expected = None if state is State.ENQUEUED else clock() + (60_000_000 if delay else 1)
        assert (job.state, job.run_at) == (state, expected)

    @pytest.mark.parametrize(("kept", "expected"), [(5.0, 5_000_000), (0.0, 0), (None, None)])
    def test_retention_of_the_job_itself_counts(
        self, driver: StoreDriver, clock: FakeClock, kept: float | None, expected: int | None
    ) -> None:
        job = driver.job_in(State.CANCELLED, retention=Retention(cancelled=kept))
        assert job.expires_at == (None if expected is None else clock() + expected)
