"""Rules of `command` and `command_all`: every action from every state, generated from the table of what is allowed."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest

from holdfast.core.commands import ALLOWED, GONE, KEY_HELD, Action
from holdfast.core.errors import Conflict, NotFound
from holdfast.core.outcome import ErrorInfo
from holdfast.core.records import JobRecord
from holdfast.core.states import FINAL_STATES, Request, State, Verb
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import REACHABLE, StoreDriver

GOES_TO = {
    Action.PAUSE: State.PAUSED,
    Action.CANCEL: State.CANCELLED,
    Action.RETRY: State.ENQUEUED,
    Action.RESUME: State.ENQUEUED,
}


def check_command(driver: StoreDriver, before: JobRecord, action: Action) -> None:
    """What `action` must do to a job without a pending request, by the table; nothing where it is refused."""
    newest = driver.store.last_event()
    if before.state not in ALLOWED[action]:
        with pytest.raises(Conflict):
            driver.command(before.id, action, actor="ann", reason="because")
        assert (driver.read(before.id), driver.store.last_event()) == (before, newest)
        return
    after = driver.command(before.id, action, actor="ann", reason="because")
    if action is Action.DELETE:
        assert (after, driver.store.job(before.id), driver.store.history(before.id)) == (None, None, [])
        return
    assert after == driver.read(before.id)
    assert after is not None
    if before.state == State.PROCESSING:
        assert (after.state, after.requested, after.requested_by) == (State.PROCESSING, action.value, "ann")
    else:
        assert (after.state, after.reason, after.actor) == (GOES_TO[action], "because", "ann")
    assert driver.store.last_event() == newest + 1


class CommandRules(Rules):
    @pytest.mark.parametrize("action", Action)
    @pytest.mark.parametrize("state", REACHABLE)
    def test_every_action_from_every_state(self, driver: StoreDriver, state: State, action: Action) -> None:
        check_command(driver, driver.job_in(state), action)

    @pytest.mark.parametrize("action", Action)
    def test_a_job_that_is_not_there(self, driver: StoreDriver, action: Action) -> None:
        with pytest.raises(NotFound):
            driver.command("no-such-job", action)

    def test_a_job_paused_between_two_attempts_waits_for_the_next_again(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        later = driver.store.now() + 3_600_000_000
        error = ErrorInfo("ValueError", "no")
        driver.end(claimed, Verb.RETRY_LATER, reason="retry", run_at=later, error=error)
        driver.command(claimed.id, Action.PAUSE, reason="wait")
        after = driver.command(claimed.id, Action.RESUME)
        assert after is not None
        assert (after.state, after.reason, after.run_at) == (State.SCHEDULED, "retry", later)

    @pytest.mark.parametrize("state", [State.ENQUEUED, State.SCHEDULED])
    def test_resume_puts_a_job_back_where_it_waited(self, driver: StoreDriver, state: State) -> None:
        before = driver.job_in(state)
        driver.command(before.id, Action.PAUSE)
        after = driver.command(before.id, Action.RESUME)
        assert after is not None
        assert (after.state, after.run_at, after.attempt) == (state, before.run_at, before.attempt)

    def test_resume_after_the_time_has_come(self, driver: StoreDriver, clock: FakeClock) -> None:
        job = driver.job_in(State.SCHEDULED)
        driver.command(job.id, Action.PAUSE)
        clock.advance(3601)
        after = driver.command(job.id, Action.RESUME)
        assert after is not None
        assert after.state == State.ENQUEUED

    def test_a_retry_now_forgets_the_time_it_waited_for(self, driver: StoreDriver) -> None:
        """Paused on its queue, it must come back to its queue, not to the time that the retry has overridden."""
        job = driver.job_in(State.SCHEDULED)
        for action in (Action.RETRY, Action.PAUSE, Action.RESUME):
            driver.command(job.id, action)
        after = driver.read(job.id)
        assert (after.state, after.run_at) == (State.ENQUEUED, None)

    def test_a_resumed_job_goes_on_from_its_saved_state(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.command(claimed.id, Action.PAUSE)
        assert driver.report(claimed, saved='{"at":3}') == Request.PAUSE
        assert driver.end(claimed, Verb.SUSPEND) == State.PAUSED
        driver.command(claimed.id, Action.RESUME)
        again = driver.again(claimed.id)
        assert (again.saved, again.attempt, again.token) == ('{"at":3}', 1, 2)

    def test_asked_twice_the_first_stands(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.command(claimed.id, Action.PAUSE, actor="ann", reason="one")
        driver.command(claimed.id, Action.PAUSE, actor="bob", reason="two")
        job = driver.read(claimed.id)
        assert (job.requested_by, job.requested_reason) == ("ann", "one")
        assert [row.actor for row in driver.requests(claimed.id)] == ["ann"]

    def test_a_pause_may_become_a_cancel(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.command(claimed.id, Action.PAUSE, actor="ann")
        driver.command(claimed.id, Action.CANCEL, actor="bob")
        assert driver.read(claimed.id).requested == Request.CANCEL
        assert driver.end(claimed, Verb.SUSPEND) == State.CANCELLED

    @pytest.mark.parametrize("action", [Action.PAUSE, Action.RESUME])
    def test_a_cancel_cannot_be_taken_back(self, driver: StoreDriver, action: Action) -> None:
        claimed = driver.start()
        driver.command(claimed.id, Action.CANCEL)
        with pytest.raises(Conflict):
            driver.command(claimed.id, action)
        assert driver.read(claimed.id).requested == Request.CANCEL

    def test_resume_takes_a_pause_back_before_it_is_answered(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.command(claimed.id, Action.PAUSE)
        driver.command(claimed.id, Action.RESUME, actor="bob")
        assert driver.read(claimed.id).requested is None
        assert driver.report(claimed) == ""
        assert [(row.state, row.actor) for row in driver.requests(claimed.id)] == [
            ("pause", None),
            ("", "bob"),
        ]

    def test_a_cancel_before_the_claim_wins_over_it(self, driver: StoreDriver) -> None:
        job = driver.add()
        driver.command(job.id, Action.CANCEL)
        assert driver.claim() == []

    def test_a_request_outlives_every_worker(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.command(claimed.id, Action.CANCEL, actor="ann", reason="enough")
        driver.rescue(driver.worker)
        job = driver.read(claimed.id)
        assert (job.state, job.reason, job.actor) == (State.CANCELLED, "enough", "ann")

    @pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
    def test_retry_meets_a_live_job_with_the_same_unique_key(self, driver: StoreDriver, state: State) -> None:
        old = driver.job_in(state, unique_key="k")
        driver.add(unique_key="k")
        with pytest.raises(Conflict):
            driver.command(old.id, Action.RETRY)
        assert driver.read(old.id) == old

    @pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
    def test_a_retried_job_does_not_expire(self, driver: StoreDriver, clock: FakeClock, state: State) -> None:
        job = driver.job_in(state)
        driver.command(job.id, Action.RETRY)
        after = driver.read(job.id)
        assert (after.expires_at, after.finished_at) == (None, None)
        clock.advance(10**6)
        assert driver.expire() == 0

    def test_a_retry_forgives_the_crashes(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.end(claimed, Verb.QUARANTINE, crashed=True)
        assert driver.read(claimed.id).crashes == 1
        driver.command(claimed.id, Action.RETRY)
        assert driver.again(claimed.id).crashes == 0

    def test_nothing_but_retry_leaves_an_end(self, driver: StoreDriver) -> None:
        leaves = {action for action in Action for state in FINAL_STATES if state in ALLOWED[action]} - {
            Action.DELETE
        }
        assert leaves == {Action.RETRY}
        job = driver.job_in(State.SUCCEEDED)
        with pytest.raises(Conflict):
            driver.command(job.id, Action.RETRY)

    def test_a_deleted_job_leaves_nothing_behind(self, driver: StoreDriver) -> None:
        claimed = driver.start(tags=("eu",), idempotency_key="k", unique_key="u")
        driver.report(claimed, saved="{}", progress="{}")
        driver.end(claimed, Verb.FAIL)
        driver.command(claimed.id, Action.DELETE)
        store = driver.store
        assert (
            store.saved(claimed.id),
            store.history(claimed.id),
            store.logs(claimed.id, after=0, limit=9),
        ) == (None, [], [])
        assert driver.add(idempotency_key="k", unique_key="u").id != claimed.id

    @pytest.mark.parametrize("action", Action)
    def test_a_command_to_many_does_to_each_what_it_does_to_one(
        self, driver: StoreDriver, action: Action
    ) -> None:
        """Jobs of every state, twice: one half is commanded one by one, the other half at once."""
        single, many = ([driver.job_in(state) for state in REACHABLE] for _ in range(2))
        for job in single:
            with suppress(Conflict):
                driver.command(job.id, action, actor="ann", reason="because")
        newest = driver.store.last_event()
        refusals = driver.command_all([job.id for job in many], action, actor="ann", reason="because")
        assert [why is None for why in refusals] == [job.state in ALLOWED[action] for job in many]
        assert [traces(driver, job.id) for job in many] == [traces(driver, job.id) for job in single]
        assert driver.store.last_event() - newest == refusals.count(None)

    def test_a_command_to_many_says_of_each_that_is_refused_why(self, driver: StoreDriver) -> None:
        done, waiting = driver.job_in(State.SUCCEEDED), driver.add()
        ids = ["no-such-job", done.id, waiting.id, "no-such-job"]
        gone, ended, none, again = driver.command_all(ids, Action.PAUSE)
        assert (gone, none, again) == (GONE, None, GONE)
        assert ended is not None
        with pytest.raises(Conflict, match=re.escape(ended)):
            driver.command(done.id, Action.PAUSE)
        assert (driver.read(done.id), driver.read(waiting.id).state) == (done, State.PAUSED)

    def test_of_two_that_want_one_unique_key_again_the_older_has_it(self, driver: StoreDriver) -> None:
        """The refused one hinders neither its twin nor the others."""
        first, second = (driver.job_in(State.CANCELLED, unique_key="k") for _ in range(2))
        other = driver.job_in(State.FAILED, unique_key="o")
        plain = driver.job_in(State.FAILED)
        ids = [second.id, plain.id, first.id, other.id]
        assert driver.command_all(ids, Action.RETRY) == [KEY_HELD, None, None, None]
        assert driver.read(second.id) == second
        assert {driver.read(job.id).state for job in (first, other, plain)} == {State.ENQUEUED}

    def test_jobs_that_many_commands_have_moved_are_handed_out_and_counted(self, driver: StoreDriver) -> None:
        jobs = [driver.add(queue=f"q{n % 2}", priority=n % 3) for n in range(12)]
        ids = [job.id for job in jobs]
        for action in (Action.PAUSE, Action.RESUME, Action.CANCEL, Action.RETRY):
            assert driver.command_all(ids, action) == [None] * 12
        assert driver.store.states()[State.ENQUEUED] == 12
        assert {job.id for job in driver.claim(limit=20)} == set(ids)

    def test_asked_of_many_twice_the_first_stands(self, driver: StoreDriver) -> None:
        asked, fresh = driver.start(), driver.start()
        driver.command(asked.id, Action.PAUSE, actor="ann", reason="one")
        assert driver.command_all([fresh.id, asked.id], Action.PAUSE, actor="bob") == [None, None]
        assert [driver.read(job.id).requested_by for job in (asked, fresh)] == ["ann", "bob"]
        assert [row.actor for row in driver.requests(asked.id)] == ["ann"]

    def test_a_command_to_none(self, driver: StoreDriver) -> None:
        assert driver.command_all([], Action.CANCEL) == []


def traces(driver: StoreDriver, job_id: str) -> tuple[object, ...] | None:
    """What a command leaves of a job and its history, without what differs between jobs: number, id, times."""
    job = driver.store.job(job_id)
    history = [(row.state, row.reason, row.actor, row.attempt) for row in driver.store.history(job_id)]
    if job is None:
        return None
    request = (job.requested, job.requested_by, job.requested_reason)
    ends = (job.run_at is None, job.finished_at is None, job.expires_at is None)
    return (
        job.state,
        job.reason,
        job.actor,
        job.attempt,
        job.max_attempts,
        job.crashes,
        request,
        ends,
        history,
    )
