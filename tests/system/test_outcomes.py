"""How a run ends, when it begins, and where: limits, retries, delays, priorities, queues and types."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from holdfast.core.job import NewJob
from holdfast.core.records import JobRecord
from holdfast.runtime.clock import new_id
from holdfast.storage.writes import Insert
from tests.system.fleet import Fleet, until
from tests.system.histories import check_history

EXECUTORS = ("loop", "thread", "process")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Generator[Fleet]:
    """One worker for everything that needs no other settings."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), children=2)
    fleet.start()
    yield fleet
    fleet.destroy()
    fleet.app.close()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_time_limit_ends_every_attempt(fleet: Fleet, executor: str) -> None:
    job = fleet.enqueue(f"end_{executor}", {"barrier": "never"}, timeout=0.4, retries=1)
    [after] = fleet.ended([job])
    assert (after.state, after.reason, after.attempt, after.token) == ("failed", "timed out", 2, 2)
    assert after.error_type == "TimeoutError"
    assert "0.4 s" in (after.error_message or "")
    assert fleet.path(job) == ["enqueued", "processing", "scheduled", "enqueued", "processing", "failed"]
    history = fleet.history(job)
    check_history(after, history)
    begun = [row.at for row in history if row.state == "processing"]
    ended = [row.at for row in history if row.state in ("scheduled", "failed")]
    assert all(end - begin >= 400_000 for begin, end in zip(begun, ended, strict=True)), (
        "it was ended too early"
    )


@pytest.mark.parametrize("executor", ["thread", "process"])
class TestOutcomes:
    def test_retry_comes_after_its_delay_and_counts_as_an_attempt(self, fleet: Fleet, executor: str) -> None:
        after = self.run(fleet, executor, "retry", delay=0.5)
        assert (after.state, after.attempt, after.result) == ("succeeded", 2, '"second"')
        assert "retry" in self.reasons(fleet, after.id)

    def test_snooze_does_not_count_as_an_attempt(self, fleet: Fleet, executor: str) -> None:
        after = self.run(fleet, executor, "snooze", delay=0.5)
        assert (after.state, after.attempt, after.token) == ("succeeded", 1, 2)

    def test_an_error_is_tried_again(self, fleet: Fleet, executor: str) -> None:
        after = self.run(fleet, executor, "error")
        assert (after.state, after.attempt) == ("succeeded", 2)

    def test_fail_is_for_good(self, fleet: Fleet, executor: str) -> None:
        after = self.run(fleet, executor, "fail", message="no such customer")
        assert (after.state, after.attempt, after.reason) == ("failed", 1, "no such customer")

    def test_cancel_from_inside(self, fleet: Fleet, executor: str) -> None:
        after = self.run(fleet, executor, "cancel", message="nothing to do")
        assert (after.state, after.attempt, after.reason) == ("cancelled", 1, "nothing to do")

    @staticmethod
    def run(fleet: Fleet, executor: str, kind: str, delay: float = 0.0, message: str = "why") -> JobRecord:
        job = fleet.enqueue(f"outcome_{executor}", {"kind": kind, "delay": delay, "message": message})
        [after] = fleet.ended([job])
        check_history(after, fleet.history(job))
        runs = fleet.effects(job, "run")
        assert len(runs) == after.token
        if len(runs) == 2:
            assert runs[1]["at"] - runs[0]["at"] >= delay * 1_000_000, "it came too early"
        return after

    @staticmethod
    def reasons(fleet: Fleet, job_id: str) -> list[str | None]:
        return [row.reason for row in fleet.history(job_id)]


def test_delayed_jobs_run_once_they_are_due(fleet: Fleet) -> None:
    delays = (1.0, 0.4, 0.8, 0.2, 0.6)
    jobs = [fleet.enqueue("note_loop", {"value": n}, delay=delay) for n, delay in enumerate(delays)]
    for job, delay in zip(fleet.ended(jobs), delays, strict=True):
        assert fleet.path(job.id) == ["scheduled", "enqueued", "processing", "succeeded"]
        [run] = fleet.effects(job.id, "run")
        assert run["at"] >= job.created_at + delay * 1_000_000, "too early"


def test_nothing_is_lost_when_all_are_due_at_once(fleet: Fleet) -> None:
    jobs = fleet.enqueue_many("note_loop", [{"value": n} for n in range(1_200)], delay=0.5)
    assert {job.state for job in fleet.ended(jobs)} == {"succeeded"}
    assert len(fleet.effects(what="run")) >= 1_200


def test_a_higher_priority_goes_first(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(concurrency=1)
    values = (0, 5, -3, 9, 1)
    jobs = [fleet.enqueue("note_loop", {"value": value}, priority=value) for value in values]
    fleet.start()
    fleet.ended(jobs)
    assert [effect["value"] for effect in fleet.effects()] == sorted(values, reverse=True)


def test_workers_serve_their_queues_and_types_and_leave_the_rest(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(poll_interval=0.1)
    mail = fleet.enqueue("note_loop", {"value": 1}, queue="mail")
    report = fleet.enqueue("report.month", {"value": 2})
    other = fleet.enqueue("note_loop", {"value": 3}, queue="other")
    unknown = fleet.parts.gateway.run(Insert([NewJob(new_id(), "an.unknown.type", "{}")]))[0].id
    first = fleet.start(queues="mail,reports", types="note_*")
    [by_first] = fleet.ended([mail])
    marks = [fleet.ended([fleet.enqueue("note_loop", {"value": 4}, queue="mail")])[0] for _ in range(5)]
    assert {job.worker for job in marks} == {by_first.worker}
    assert [fleet.job(job).state for job in (report, other)] == ["enqueued", "enqueued"]

    fleet.start(queues="reports,other")
    by_second = fleet.ended([report, other])
    assert {job.state for job in by_second} == {"succeeded"}
    assert by_first.worker not in {job.worker for job in by_second}
    left = fleet.job(unknown)
    assert (left.state, left.attempt, left.token) == ("enqueued", 0, 0), (
        "a job of an unknown type waits, and never fails"
    )
    assert first.process.poll() is None
    until(lambda: len(fleet.workers()) == 2, "both live")
