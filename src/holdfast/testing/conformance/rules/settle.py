"""Rules of `settle`: every way an attempt can end, from every state, with right, stale and future tokens."""

from __future__ import annotations

import pytest

from holdfast.core.commands import Action
from holdfast.core.outcome import ErrorInfo, LogLine, Report, Settlement
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, State, Verb
from holdfast.storage.verbs.attempts import LOST
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.conformance.rules.commands import check_command
from holdfast.testing.driver import REACHABLE, StoreDriver
from holdfast.testing.factories import new_job

ENDS = tuple(
    verb for verb, way in TRANSITIONS.items() if State.PROCESSING in way.sources and verb is not Verb.RESCUE
)
"""The verbs by which a worker ends an attempt."""

REASON = "requested by ann"


def winner(verb: Verb, requested: Request) -> State:
    """The state of a job with a request that was stored before its attempt ended by `verb`: the documented table."""
    if requested is Request.CANCEL:
        return State.CANCELLED
    return {State.SCHEDULED: State.PAUSED, State.ENQUEUED: State.PAUSED}.get(
        TRANSITIONS[verb].target, TRANSITIONS[verb].target
    )


class SettleRules(Rules):
    @pytest.mark.parametrize("verb", ENDS)
    def test_every_end(self, driver: StoreDriver, clock: FakeClock, verb: Verb) -> None:
        claimed = driver.start()
        clock.advance(3)
        later = clock() + 60_000_000 if verb in (Verb.RETRY_LATER, Verb.SNOOZE) else None
        assert driver.end(claimed, verb, reason="why", actor="ann", run_at=later) == TRANSITIONS[verb].target
        job = driver.read(claimed.id)
        assert (job.state, job.token, job.run_at) == (TRANSITIONS[verb].target, claimed.token, later)
        assert (job.reason, job.actor) == ((None, None) if verb is Verb.SUCCEED else ("why", "ann"))
        assert (job.changed_at, job.finished_at) == (clock(), clock() if job.state in FINAL_STATES else None)
        assert driver.path(job.id) == ["enqueued", "processing", job.state]

    @pytest.mark.parametrize("verb", ENDS)
    def test_a_repeat_is_lost(self, driver: StoreDriver, verb: Verb) -> None:
        claimed = driver.start()
        driver.end(claimed, verb)
        before, newest = driver.read(claimed.id), driver.store.last_event()
        for again in ENDS:
            assert driver.end(claimed, again) == LOST
        assert (driver.read(claimed.id), driver.store.last_event()) == (before, newest)

    @pytest.mark.parametrize("verb", ENDS)
    @pytest.mark.parametrize("state", REACHABLE)
    @pytest.mark.parametrize("off", [-1, 0, 1])
    def test_state_and_token_both_guard(
        self, driver: StoreDriver, state: State, verb: Verb, off: int
    ) -> None:
        job = driver.job_in(state)
        newest = driver.store.last_event()
        report = Report(
            job.seq, job.token + off, progress='{"done":1}', saved="{}", logs=(LogLine(1, "info", "hello"),)
        )
        settlement = Settlement(
            job.seq, job.token + off, verb, run_at=job.created_at + 10**9, result="1", report=report
        )
        [result] = driver.settle(settlement)
        if state is State.PROCESSING and off == 0:
            assert result == TRANSITIONS[verb].target
            return
        assert result == LOST
        assert (driver.read(job.id), driver.store.last_event()) == (job, newest)
        assert (driver.store.saved(job.id), driver.store.logs(job.id, after=0, limit=9)) == (None, [])

    def test_a_zombie_of_the_first_attempt_cannot_end_the_second(self, driver: StoreDriver) -> None:
        zombie = driver.start()
        driver.rescue(driver.worker)
        driver.register("worker-2")
        second = driver.again(zombie.id, worker="worker-2")
        for verb in ENDS:
            assert driver.end(zombie, verb, result='"zombie"') == LOST
        assert driver.read(zombie.id).state == State.PROCESSING
        assert driver.end(second, Verb.SUCCEED, result='"second"') == State.SUCCEEDED
        assert driver.read(zombie.id).result == '"second"'

    def test_answers_stand_in_the_order_of_the_calls(self, driver: StoreDriver) -> None:
        zombie = driver.start()
        driver.rescue(driver.worker)
        driver.register("worker-2")
        second = driver.again(zombie.id, worker="worker-2")
        other = driver.start(worker="worker-2")
        batch = [
            Settlement(zombie.seq, zombie.token, Verb.SUCCEED),
            Settlement(other.seq, other.token, Verb.FAIL),
            Settlement(second.seq, second.token, Verb.SUCCEED),
            Settlement(second.seq, second.token, Verb.SUCCEED),
        ]
        assert driver.settle(*batch) == [LOST, State.FAILED, State.SUCCEEDED, LOST]

    def test_many_at_once(self, driver: StoreDriver) -> None:
        driver.insert(*[new_job() for _ in range(300)])
        claimed = driver.claim(limit=300)
        results = driver.settle(
            *[Settlement(job.seq, job.token, Verb.SUCCEED, result=str(job.seq)) for job in claimed]
        )
        assert results == [State.SUCCEEDED] * 300
        assert all(driver.read(job.id).result == str(job.seq) for job in claimed[::37])

    def test_a_job_that_is_gone_is_lost(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.end(claimed, Verb.SUCCEED)
        driver.command(claimed.id, Action.DELETE)
        assert driver.end(claimed, Verb.SUCCEED) == LOST
        assert driver.settle(Settlement(10**12, 1, Verb.FAIL)) == [LOST]

    def test_a_new_job_never_takes_the_place_of_a_removed_one(self, driver: StoreDriver) -> None:
        zombie = driver.start()
        driver.end(zombie, Verb.SUCCEED)
        driver.command(zombie.id, Action.DELETE)
        assert driver.start().seq != zombie.seq

    def test_result_and_error(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        error = ErrorInfo("ValueError", "bad 🦆", "Traceback …")
        driver.end(claimed, Verb.RETRY_LATER, error=error)
        failed = driver.read(claimed.id)
        assert (failed.error_type, failed.error_message, failed.error_traceback) == (
            "ValueError",
            "bad 🦆",
            "Traceback …",
        )
        driver.command(claimed.id, Action.RETRY)
        assert driver.end(driver.again(claimed.id), Verb.RELEASE) == State.ENQUEUED
        assert driver.read(claimed.id).error_type == "ValueError"  # still the last thing that went wrong

    @pytest.mark.parametrize("reports", [True, False])
    def test_success_leaves_no_error_behind(self, driver: StoreDriver, reports: bool) -> None:
        claimed = driver.start()
        driver.end(claimed, Verb.RETRY_LATER, error=ErrorInfo("ValueError", "bad", "Traceback …"))
        driver.command(claimed.id, Action.RETRY)
        again = driver.again(claimed.id)
        report = Report(again.seq, again.token, progress='{"done":9}') if reports else None
        assert driver.end(again, Verb.SUCCEED, result='{"rows":9}', report=report) == State.SUCCEEDED
        job = driver.read(claimed.id)
        assert (job.error_type, job.error_message, job.error_traceback, job.result) == (
            None,
            None,
            None,
            '{"rows":9}',
        )

    @pytest.mark.parametrize("verb", ENDS)
    def test_the_last_report_is_written_with_the_end(self, driver: StoreDriver, verb: Verb) -> None:
        claimed = driver.start()
        lines = (LogLine(5, "info", "almost"), LogLine(6, "error", "there"))
        report = Report(claimed.seq, claimed.token, progress='{"done":7}', saved='{"at":7}', logs=lines)
        driver.end(claimed, verb, report=report)
        saved = driver.store.saved(claimed.id)
        assert saved is not None
        assert (driver.read(claimed.id).progress, saved.saved) == ('{"done":7}', '{"at":7}')
        assert [line.message for line in driver.store.logs(claimed.id, after=0, limit=9)] == [
            "almost",
            "there",
        ]

    @pytest.mark.parametrize("verb", ENDS)
    def test_only_an_ended_job_expires(self, driver: StoreDriver, clock: FakeClock, verb: Verb) -> None:
        claimed = driver.start()
        driver.end(claimed, verb, keep=clock() + 5)
        job = driver.read(claimed.id)
        assert job.expires_at == (clock() + 5 if job.state in FINAL_STATES else None)

    # -- requests against ends, in both orders ----------------------------------------------------------------------------

    @pytest.mark.parametrize("verb", ENDS)
    @pytest.mark.parametrize("action", [Action.PAUSE, Action.CANCEL])
    def test_a_request_that_came_first(self, driver: StoreDriver, verb: Verb, action: Action) -> None:
        claimed = driver.start()
        driver.command(claimed.id, action, actor="ann", reason=REASON)
        expected = winner(verb, Request(action))
        assert driver.end(claimed, verb, result='"kept"') == expected
        job = driver.read(claimed.id)
        assert (job.state, job.requested, job.requested_by, job.requested_reason) == (
            expected,
            None,
            None,
            None,
        )
        assert job.result == '"kept"'
        if action is Action.CANCEL or expected is State.PAUSED:
            assert (job.reason, job.actor) == (REASON, "ann")
        if action is Action.CANCEL:
            assert job.expires_at is not None
            assert job.run_at is None
        assert driver.path(job.id) == ["enqueued", "processing", expected]

    @pytest.mark.parametrize("verb", ENDS)
    @pytest.mark.parametrize("action", [Action.PAUSE, Action.CANCEL])
    def test_a_request_that_came_second_meets_the_new_state(
        self, driver: StoreDriver, verb: Verb, action: Action
    ) -> None:
        claimed = driver.start()
        driver.end(claimed, verb)
        check_command(driver, driver.read(claimed.id), action)

    def test_a_job_that_stopped_for_a_pause_is_paused_or_goes_on(self, driver: StoreDriver) -> None:
        """It stops before it is known whether the pause is still requested: the store decides, by what is stored."""
        pausing, withdrawn = driver.start(), driver.start()
        for claimed in (pausing, withdrawn):
            driver.command(claimed.id, Action.PAUSE, reason="lunch")
        driver.command(withdrawn.id, Action.RESUME)
        assert driver.end(pausing, Verb.CONTINUE, reason="resumed") == State.PAUSED
        assert driver.end(withdrawn, Verb.CONTINUE, reason="resumed") == State.ENQUEUED
        assert (driver.read(pausing.id).reason, driver.read(withdrawn.id).reason) == ("lunch", "resumed")
        assert driver.again(withdrawn.id).attempt == 1

    @pytest.mark.parametrize("verb", ENDS)
    def test_a_pause_that_was_taken_back_changes_nothing(self, driver: StoreDriver, verb: Verb) -> None:
        claimed = driver.start()
        driver.command(claimed.id, Action.PAUSE)
        driver.command(claimed.id, Action.RESUME)
        assert driver.end(claimed, verb) == TRANSITIONS[verb].target

    @pytest.mark.parametrize("verb", [Verb.RETRY_LATER, Verb.SNOOZE])
    def test_a_pause_keeps_the_time_of_the_next_attempt(
        self, driver: StoreDriver, clock: FakeClock, verb: Verb
    ) -> None:
        claimed = driver.start()
        driver.command(claimed.id, Action.PAUSE)
        driver.end(claimed, verb, run_at=clock() + 9_000_000)
        job = driver.command(claimed.id, Action.RESUME)
        assert job is not None
        assert (job.state, job.run_at) == (State.SCHEDULED, clock() + 9_000_000)
