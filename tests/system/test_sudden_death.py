"""On one host a dead process is noticed at once: the leases of these fleets do not end within a test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.chaos import database
from tests.system.fleet import Fleet, kill, until
from tests.system.test_fencing import begun, started


def kill_all(fleet: Fleet, *, but: set[int] | None = None) -> None:
    """kill -9 of every process, and wait until they are gone. `but`: what jobs have left running. All are stopped before, as
    no process has a moment in which to learn of the end of another."""
    doomed = fleet.processes() - (but or set())
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in doomed:
            kill(pid, number)
    for supervisor in fleet.supervisors:
        supervisor.ended()
    until(lambda: not fleet.processes() - (but or set()), "all are dead")


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql", "mysql"])
def test_jobs_continue_when_everything_was_killed(
    make_fleet: Callable[..., Fleet], tmp_path: Path, database_kind: str
) -> None:
    fleet = make_fleet(**database(database_kind, tmp_path))
    fleet.start()
    kinds = ("items_loop", "items_thread", "items_process")
    jobs = [fleet.enqueue(kind, {"n": 3, "barrier": "go", "at": 1}) for kind in kinds]
    for job in jobs:
        until(lambda job=job: len(fleet.effects(job)) == 2, "the job is at its second item")
    kill_all(fleet)
    fleet.start()
    fleet.allow("go")
    for job in fleet.ended(jobs):
        assert (job.state, job.attempt, job.token) == ("succeeded", 1, 2)
        assert [row.reason for row in fleet.history(job.id) if row.kind == "state"][2] == "process died"


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_an_orphan_is_paused_and_cancelled(make_fleet: Callable[..., Fleet], action: str) -> None:
    fleet = make_fleet()
    _, job = started(fleet, "alone_thread", "sleep")
    kill_all(fleet)
    getattr(job, action)()
    fleet.start()
    fleet.in_state(job, "paused" if action == "pause" else "cancelled")
    assert len(fleet.effects(job, "begin")) == 1


@pytest.mark.parametrize("kind", ["alone_thread", "alone_process"])
def test_what_a_job_has_forked_keeps_nothing(make_fleet: Callable[..., Fleet], kind: str) -> None:
    fleet = make_fleet()
    before = started(fleet, kind, "forks")
    [effect] = begun(fleet, before[1], 1)
    runner = int(str(effect["pid"]))

    def copies() -> set[int]:
        return {pid for pid in fleet.processes() if parent(pid) == runner and is_copy(pid, runner)}

    sleepers = until(copies, "its copy is there")
    kill_all(fleet, but=sleepers)
    fleet.start()
    until(lambda: begun(fleet, before[1], 2), "the job runs again")
    assert sleepers <= fleet.processes()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_copy(pid: int, of: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes() == Path(f"/proc/{of}/cmdline").read_bytes()


def test_a_supervisor_that_was_killed_costs_living_workers_nothing(make_fleet: Callable[..., Fleet]) -> None:
    """Its worker cannot hear of it, and lives on for a while: so long its job is its own."""
    fleet = make_fleet()
    supervisor, job = started(fleet, "alone_loop", "spin")
    worker = fleet.worker_of(job)
    supervisor.signal(signal.SIGKILL)
    supervisor.ended()
    fleet.start()
    until(lambda: begun(fleet, job, 2), "the job runs again")
    assert begun(fleet, job, 2)[0]["others"] == []
    assert worker.pid not in fleet.processes()


def test_the_history_says_how_a_process_died(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet()
    _, job = started(fleet, "alone_thread", "sleep")
    os.kill(fleet.worker_of(job).pid, signal.SIGKILL)
    until(lambda: begun(fleet, job, 2), "the job runs again")
    reasons = [row.reason for row in fleet.history(job) if row.kind == "state"]
    assert reasons[2] == "process died (SIGKILL)"
