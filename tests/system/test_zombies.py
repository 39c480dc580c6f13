"""A worker that stood still for longer than its lease has lost its jobs: what it does afterwards changes nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.client.handle import JobHandle
from tests.system.chaos import database
from tests.system.fleet import Fleet, kill, until
from tests.system.histories import check_history, check_items

SETTINGS = {"heartbeat_interval": 0.3}
KINDS = ("items_loop", "items_thread", "items_process")
ENDS = ("end_loop", "end_thread", "end_process")


@pytest.mark.parametrize(
    ("kind", "database_kind"),
    [
        *((kind, "sqlite") for kind in (*KINDS, *ENDS)),
        ("items_loop", "postgresql"),
        ("end_thread", "mysql"),
    ],
)
def test_a_zombie_writes_nothing(
    make_fleet: Callable[..., Fleet], tmp_path: Path, kind: str, database_kind: str
) -> None:
    """It wakes while the job runs elsewhere for the second time, and comes to its next checkpoint or to its end."""
    fleet = make_fleet(**SETTINGS, **database(database_kind, tmp_path))
    supervisor = fleet.start()
    job = fleet.enqueue(kind, {"n": 3, "barrier": "go", "at": 1} if kind in KINDS else {"barrier": "go"})
    until(lambda: len(fleet.effects(job)) == (2 if kind in KINDS else 1), "the job is there")
    zombie = fleet.worker_of(job)
    fleet.stand_still(zombie.pid, supervisor.pid)  # the supervisor would end the zombie at its next heartbeat
    fleet.lose(zombie)
    assert fleet.job(job).state == "enqueued"
    fleet.start()
    until(
        lambda: len({e["token"] for e in fleet.effects(job)}) == 2,
        "the job runs elsewhere, and is there again",
    )
    before = written(fleet, job)

    kill(zombie.pid, signal.SIGCONT)
    fleet.allow("go-1")  # for the first run only
    # by whatever it says to the store, or by its worker, which compares what it runs with what the store says
    until(
        lambda: (
            fleet.effects(job, "lost")
            or supervisor.lines("stale settlements were refused")
            or supervisor.lines("job lost to another attempt")
        ),
        "it has learnt that its job is lost",
    )
    assert written(fleet, job) == before, "a zombie has written"

    supervisor.signal(signal.SIGCONT)
    until(lambda: zombie.pid not in fleet.processes(), "the zombie is ended")
    until(lambda: len(fleet.workers()) == 2, "the zombie is replaced")
    assert supervisor.lines("presumed dead by others")
    fleet.allow("go-2")
    [after] = fleet.ended([job])
    assert (after.state, after.token, after.attempt, after.result) == ("succeeded", 2, 1, "2")
    check_history(after, fleet.history(job))
    if kind in KINDS:
        check_items(fleet.effects(job, "item"), 3, again=1)


def written(fleet: Fleet, job: JobHandle) -> tuple[object, ...]:
    """All that a zombie could overwrite, while its job is elsewhere. The new run may still report its progress: that
    is at the second item, where a zombie's would have come further."""
    record, saved = fleet.job(job), fleet.parts.store.saved(job.id)
    further = record.progress is not None and json.loads(record.progress)["done"] > 1
    stable = record._replace(progress=None, changed_at=0, saved_at=None)
    return stable, saved, further


def test_a_zombie_that_wakes_after_the_end_changes_nothing(make_fleet: Callable[..., Fleet]) -> None:
    """All three executors at once; the jobs have ended elsewhere before it wakes, and its work is over at that moment."""
    fleet = make_fleet(**SETTINGS)
    fleet.start()
    jobs = [fleet.enqueue(kind, {"barrier": "end"}) for kind in ENDS]
    for job in jobs:
        fleet.effect(job, "at the end")
    zombie = fleet.worker_of(jobs[0])
    fleet.stand_still(zombie.pid)
    fleet.lose(zombie)
    fleet.start()
    fleet.allow("end")
    before = fleet.ended(jobs)
    assert {job.worker for job in before} != {zombie.id}
    kill(zombie.pid, signal.SIGCONT)
    until(lambda: zombie.pid not in fleet.processes(), "the zombie is ended")
    assert [fleet.job(job) for job in jobs] == before
    for job in before:
        assert (job.state, job.token) == ("succeeded", 2)
        check_history(job, fleet.history(job.id))


def test_a_process_tree_that_was_frozen_continues(make_fleet: Callable[..., Fleet]) -> None:
    """A host that slept: no worker took the jobs meanwhile, so they are still its own."""
    fleet = make_fleet(**SETTINGS, workers=2)
    supervisor = fleet.start()
    jobs = [fleet.enqueue(kind, {"n": 3, "barrier": "sleep", "at": 1}) for kind in KINDS]
    for job in jobs:
        until(lambda job=job: len(fleet.effects(job)) == 2, "the job is at the second item")
    tree = fleet.processes()
    fleet.stand_still(*tree)
    fleet.expire(*fleet.workers())
    assert not fleet.workers()
    for pid in tree:
        kill(pid, signal.SIGCONT)
    fleet.allow("sleep")
    for job in fleet.ended(jobs):
        assert (job.state, job.attempt) == ("succeeded", 1)
        check_history(job, fleet.history(job.id))
        check_items(fleet.effects(job.id, "item"), 3, again=job.token - 1)
    until(lambda: len(fleet.workers()) == 2, "both workers are live again")
    after = fleet.enqueue("note_loop", {"value": 7})
    assert fleet.ended([after])[0].state == "succeeded"
    assert supervisor.process.poll() is None


def test_a_tree_whose_jobs_were_taken_starts_anew(make_fleet: Callable[..., Fleet]) -> None:
    """A host that slept while another one took its jobs: its workers end, new ones come, nothing is written by the old."""
    fleet = make_fleet(**SETTINGS)
    sleeper = fleet.start()
    jobs = [fleet.enqueue(kind, {"n": 3, "barrier": "sleep", "at": 1}) for kind in KINDS]
    for job in jobs:
        until(lambda job=job: len(fleet.effects(job)) == 2, "the job is at the second item")
    [old] = fleet.workers()
    tree = fleet.processes()
    fleet.stand_still(*tree)
    fleet.lose(old)
    fleet.start()
    fleet.allow("sleep")
    before = fleet.ended(jobs)
    for pid in tree:
        kill(pid, signal.SIGCONT)
    until(lambda: old.pid not in fleet.processes(), "the old worker is ended")
    until(lambda: len(fleet.workers()) == 2, "there is a new one")
    assert [fleet.job(job) for job in jobs] == before
    for job in before:
        assert (job.state, job.token, job.attempt) == ("succeeded", 2, 1)
    assert sleeper.process.poll() is None
