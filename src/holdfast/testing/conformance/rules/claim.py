"""Rules of `claim`: which jobs, in what order, for whom, and what the worker is handed."""

from __future__ import annotations

import pytest

from holdfast.core.commands import Action
from holdfast.core.job import Claimed
from holdfast.core.outcome import Report
from holdfast.core.retention import Retention
from holdfast.core.states import State, Verb
from holdfast.storage.protocol import Store
from holdfast.storage.writes import DrainWorker, PauseQueue, ResumeQueue
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import LEASE, REACHABLE, StoreDriver
from holdfast.testing.factories import new_job


class ClaimRules(Rules):
    def test_priority_first_then_age_across_queues_and_types(self, driver: StoreDriver) -> None:
        low = driver.add(priority=-1, queue="a").id
        old = driver.add(queue="b").id
        young = driver.add(queue="a", type="other").id
        high = driver.add(priority=5, queue="c", type="other").id
        claimed = driver.claim(limit=10, types=["noop", "other"])
        assert [job.id for job in claimed] == [high, old, young, low]

    def test_a_limit_takes_the_best(self, driver: StoreDriver) -> None:
        jobs = [driver.add(priority=n % 3, queue=f"q{n % 2}") for n in range(12)]
        best = sorted(jobs, key=lambda job: (-job.priority, job.seq))
        taken = [job.id for _ in range(4) for job in driver.claim(limit=3)]
        assert taken == [job.id for job in best]

    @pytest.mark.parametrize("limit", [0, 1, 2, 5])
    def test_no_more_than_asked(self, driver: StoreDriver, limit: int) -> None:
        for _ in range(3):
            driver.add()
        assert len(driver.claim(limit=limit)) == min(limit, 3)

    def test_asked_queues_and_types_only(self, driver: StoreDriver) -> None:
        mail, report = driver.add(queue="mail"), driver.add(queue="mail", type="report")
        other = driver.add(queue="other")
        assert driver.claim(limit=9, types=["unknown"]) == []
        assert driver.claim(limit=9, types=[]) == []
        assert driver.claim(limit=9, queues=["nowhere"]) == []
        assert [job.id for job in driver.claim(limit=9, types=["report"], queues=["mail", "other"])] == [
            report.id
        ]
        assert [job.id for job in driver.claim(limit=9, queues=["mail"])] == [mail.id]
        assert [job.id for job in driver.claim(limit=9)] == [other.id]

    def test_more_queues_than_one_statement_can_name(self, driver: StoreDriver) -> None:
        jobs = [new_job(queue=f"tenant-{n:04}", priority=n % 7) for n in range(700)]
        driver.insert(*jobs)
        best = sorted(jobs, key=lambda job: -job.priority)
        assert [job.id for job in driver.claim(limit=3)] == [job.id for job in best[:3]]
        taken = {job.id for _ in range(3) for job in driver.claim(limit=400)}
        assert len(taken) == 697

    def test_a_paused_queue_keeps_its_jobs(self, store: Store, driver: StoreDriver) -> None:
        still, free = driver.add(queue="still"), driver.add(queue="free")
        driver.run(PauseQueue("still", actor="ann", reason=None))
        assert [job.id for job in driver.claim(limit=9)] == [free.id]
        assert driver.claim(limit=9, queues=["still"]) == []
        assert driver.read(still.id).state == State.ENQUEUED
        driver.run(ResumeQueue("still", actor="ann"))
        assert [job.id for job in driver.claim(limit=9)] == [still.id]

    @pytest.mark.parametrize("state", [state for state in REACHABLE if state is not State.ENQUEUED])
    def test_nothing_but_enqueued_jobs(self, driver: StoreDriver, state: State) -> None:
        job = driver.job_in(state)
        assert driver.claim(limit=9) == []
        assert driver.read(job.id) == job

    def test_an_unknown_worker_gets_nothing(self, driver: StoreDriver) -> None:
        driver.add()
        assert driver.claim(worker="stranger") == []

    def test_a_worker_whose_lease_is_over_gets_nothing(self, driver: StoreDriver, clock: FakeClock) -> None:
        driver.add()
        clock.advance(LEASE + 1)
        assert driver.claim() == []
        assert driver.heartbeat(driver.worker) == {
            driver.worker
        }  # it is not presumed dead yet: it may continue
        assert len(driver.claim()) == 1

    def test_a_worker_taken_for_dead_gets_nothing_ever_again(self, driver: StoreDriver) -> None:
        driver.add()
        driver.rescue(driver.worker)
        driver.register(driver.worker)  # the same incarnation cannot come back
        assert driver.heartbeat(driver.worker) == set()
        assert driver.claim() == []

    def test_a_draining_worker_gets_nothing(self, store: Store, driver: StoreDriver) -> None:
        driver.add()
        driver.run(DrainWorker(driver.worker))
        assert driver.claim() == []

    def test_what_the_worker_is_handed(self, driver: StoreDriver, clock: FakeClock) -> None:
        job = driver.add(
            args='{"n":1}',
            owner="ann",
            tags=("eu",),
            timeout=2.5,
            priority=3,
            max_attempts=4,
            retention=Retention(1, 2, 3),
        )
        clock.advance(2)
        [claimed] = driver.claim()
        assert (claimed.seq, claimed.id, claimed.type, claimed.queue) == (job.seq, job.id, "noop", "default")
        assert (claimed.args, claimed.owner, claimed.tags, claimed.timeout) == (
            '{"n":1}',
            "ann",
            '["eu"]',
            2.5,
        )
        assert (claimed.token, claimed.attempt, claimed.max_attempts, claimed.crashes) == (1, 1, 4, 0)
        assert (claimed.priority, claimed.created_at, claimed.saved) == (3, job.created_at, None)
        assert claimed.retention is not None
        held = driver.read(job.id)
        assert (held.state, held.worker, held.started_at) == (State.PROCESSING, driver.worker, clock())

    def test_the_saved_state_is_handed_over(self, store: Store, driver: StoreDriver) -> None:
        claimed = driver.start()
        driver.report(claimed, saved='{"at":1}')
        driver.end(claimed, Verb.RELEASE, report=Report(claimed.seq, claimed.token, saved='{"at":2}'))
        assert driver.again(claimed.id).saved == '{"at":2}'

    def test_the_token_grows_at_each_claim_and_never_falls(self, driver: StoreDriver) -> None:
        claimed, tokens = driver.start(), list[int]()
        for verb in (Verb.RELEASE, Verb.RETRY_LATER, Verb.SUSPEND, Verb.FAIL, Verb.STOP, Verb.SNOOZE):
            tokens.append(claimed.token)
            driver.end(claimed, verb)
            claimed = self._once_more(driver, claimed.id)
        assert tokens == [1, 2, 3, 4, 5, 6]

    @pytest.mark.parametrize(
        ("verb", "attempt"),
        [
            (Verb.RELEASE, 1),
            (Verb.SNOOZE, 1),
            (Verb.SUSPEND, 1),
            (Verb.STOP, 1),
            (Verb.RETRY_LATER, 2),
            (Verb.FAIL, 2),
        ],
    )
    def test_only_a_failure_burns_an_attempt(self, driver: StoreDriver, verb: Verb, attempt: int) -> None:
        claimed = driver.start()
        driver.end(claimed, verb)
        assert self._once_more(driver, claimed.id).attempt == attempt

    @pytest.mark.parametrize("verb", [Verb.RETRY_LATER, Verb.FAIL])
    @pytest.mark.parametrize("action", [Action.PAUSE, Action.CANCEL])
    def test_an_attempt_that_failed_counts_whatever_was_asked_meanwhile(
        self, driver: StoreDriver, verb: Verb, action: Action
    ) -> None:
        claimed = driver.start()
        driver.command(claimed.id, action)
        driver.end(claimed, verb)
        assert self._once_more(driver, claimed.id).attempt == 2

    def test_what_burns_nothing_burns_nothing_however_often(self, driver: StoreDriver) -> None:
        claimed = driver.start(max_attempts=2)
        for _ in range(20):
            driver.end(claimed, Verb.RELEASE)
            claimed = driver.again(claimed.id)
        assert (claimed.attempt, claimed.token, claimed.max_attempts) == (1, 21, 2)

    def test_a_manual_retry_is_given_an_attempt(self, driver: StoreDriver) -> None:
        claimed = driver.start(max_attempts=1)
        driver.end(claimed, Verb.FAIL)
        driver.command(claimed.id, Action.RETRY)
        again = driver.again(claimed.id)
        assert (again.attempt, again.max_attempts) == (2, 2)

    def test_a_manual_retry_gives_no_attempt_to_a_job_that_has_some_left(self, driver: StoreDriver) -> None:
        claimed = driver.start(max_attempts=5)
        driver.end(claimed, Verb.FAIL)
        driver.command(claimed.id, Action.RETRY)
        assert driver.again(claimed.id).max_attempts == 5

    def _once_more(self, driver: StoreDriver, job_id: str) -> Claimed:
        state = driver.read(job_id).state
        if state == State.PAUSED:
            driver.command(job_id, Action.RESUME)
        if driver.read(job_id).state in (State.SCHEDULED, State.FAILED, State.CANCELLED):
            driver.command(job_id, Action.RETRY)
        return driver.again(job_id)
