"""A stop is no accident: jobs are released at their places, no attempt is used, and the process ends in time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

import pytest

from tests.system.fleet import Fleet, Supervisor, until
from tests.system.histories import check_history, check_items

GRACE = 60.0
"""stop_grace where every job listens, so that none is interrupted however busy the machine is."""
KINDS = ("items_loop", "items_thread", "items_process")

WAYS: dict[str, Callable[[Supervisor], object]] = {
    "SIGTERM": lambda s: s.signal(signal.SIGTERM),
    "SIGINT": lambda s: s.signal(signal.SIGINT),
    "SIGTERM to the group": lambda s: s.signal(signal.SIGTERM, group=True),
    "SIGINT to the group": lambda s: s.signal(signal.SIGINT, group=True),
    "SIGTERM twice": lambda s: (s.signal(signal.SIGTERM), s.signal(signal.SIGTERM)),
}


def stopped(fleet: Fleet, supervisor: Supervisor, way: str) -> None:
    WAYS[way](supervisor)
    assert supervisor.ended() == 0, supervisor.words()
    assert not supervisor.lines("killing"), "each worker ends by itself"
    until(lambda: not fleet.processes(), "no process is left")
    assert not fleet.workers("live", "draining", "lost"), "the workers have signed off"


@pytest.mark.parametrize("way", WAYS)
def test_idle(make_fleet: Callable[..., Fleet], way: str) -> None:
    fleet = make_fleet(workers=2, stop_grace=GRACE)
    stopped(fleet, fleet.start(), way)


@pytest.mark.parametrize("way", WAYS)
def test_running_jobs_are_released_at_their_places(make_fleet: Callable[..., Fleet], way: str) -> None:
    fleet = make_fleet(workers=2, stop_grace=GRACE, children=2)
    supervisor = fleet.start()
    jobs = [fleet.enqueue(kind, {"n": 100_000, "pause": 0.02}) for kind in KINDS]
    for job in jobs:
        until(lambda job=job: len(fleet.effects(job)) > 3, "the job runs")
    stopped(fleet, supervisor, way)
    for job in jobs:
        record, items = fleet.job(job), fleet.effects(job)
        assert (record.state, record.attempt, record.crashes) == ("enqueued", 1, 0), record
        done = fleet.parts.store.saved(job.id)
        assert done is not None
        forced = "twice" in way  # a second signal does not wait for the next item
        assert f":{len(items)}" in done.saved or forced, (done, items[-1])
        job.cancel()


def test_what_was_released_continues_at_the_next_item(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(stop_grace=GRACE, children=2)
    supervisor = fleet.start()
    jobs = [fleet.enqueue(kind, {"n": 8, "barrier": "stop", "at": 3}) for kind in KINDS]
    for job in jobs:
        until(lambda job=job: len(fleet.effects(job)) > 3, "the job is there")
    supervisor.signal(signal.SIGTERM)
    for job in jobs:
        until(
            lambda job=job: fleet.worker_of(job).state == "draining",
            "the worker has heard that it is to stop",
        )
    fleet.allow("stop")
    assert supervisor.ended() == 0, supervisor.words()
    fleet.start()
    for job in fleet.ended(jobs):
        assert (job.state, job.attempt, job.token) == ("succeeded", 1, 2)
        check_history(job, fleet.history(job.id))
        check_items(fleet.effects(job.id, "item"), 8, again=0)


def test_while_jobs_are_claimed(make_fleet: Callable[..., Fleet]) -> None:
    """Small jobs pass through when the stop comes, and more are added until it is over: each is done once, or was never
    begun."""
    fleet = make_fleet(workers=2, stop_grace=GRACE, concurrency=20)
    jobs, over = fleet.enqueue_many("note_loop", [{}] * 500), threading.Event()

    def add() -> None:
        while not over.wait(0.01):
            jobs.extend(fleet.enqueue_many("note_loop", [{}] * 50))

    supervisor = fleet.start()
    adding = threading.Thread(target=add)
    adding.start()
    try:
        until(lambda: fleet.parts.store.states()["succeeded"] > 200, "jobs pass through")
        stopped(fleet, supervisor, "SIGTERM")
    finally:
        over.set()
        adding.join()
    states = fleet.parts.store.states()
    assert states["succeeded"] + states["enqueued"] == len(jobs), states
    fleet.start()
    assert {job.state for job in fleet.ended(jobs)} == {"succeeded"}
    assert len(fleet.effects()) == len(jobs), "each has run exactly once"


@pytest.mark.parametrize("executor", ["loop", "thread", "process"])
def test_a_job_that_does_not_listen_is_interrupted_and_runs_again(
    make_fleet: Callable[..., Fleet], executor: str
) -> None:
    fleet = make_fleet(stop_grace=1)
    supervisor = fleet.start()
    job = fleet.enqueue(f"end_{executor}", {"barrier": "end"})
    fleet.effect(job, "at the end")
    stopped(fleet, supervisor, "SIGTERM")
    before = fleet.job(job)
    assert (before.state, before.reason, before.crashes) == ("enqueued", "worker stopped", 0)
    fleet.allow("end")
    fleet.start()
    [after] = fleet.ended([job])
    assert (after.state, after.attempt, after.token) == ("succeeded", 1, 2)


@pytest.mark.parametrize("how", ["block", "gil"])
def test_a_worker_that_hears_nothing_is_ended(make_fleet: Callable[..., Fleet], how: str) -> None:
    """A job blocks the loop, or holds the GIL: some time after the grace the supervisor ends its worker."""
    fleet = make_fleet(stop_grace=1)
    supervisor = fleet.start()
    job = fleet.enqueue("bad_loop", {"how": how})
    fleet.effect(job, how)
    supervisor.signal(signal.SIGTERM)
    assert supervisor.ended() == 0
    assert supervisor.lines("killing")
    until(lambda: not fleet.processes(), "no process is left")
    assert fleet.job(job).state == "enqueued"


@pytest.mark.parametrize("kind", [*KINDS, "block", "gil"])
def test_a_supervisor_that_is_killed_leaves_no_process_behind(
    make_fleet: Callable[..., Fleet], kind: str
) -> None:
    """Also when a job has blocked the worker: then the kernel ends it."""
    fleet = make_fleet(stop_grace=1)
    supervisor = fleet.start()
    blocks = kind not in KINDS
    job = (
        fleet.enqueue("bad_loop", {"how": kind})
        if blocks
        else fleet.enqueue(kind, {"n": 3, "barrier": "on", "at": 1})
    )
    until(lambda: len(fleet.effects(job)) == (1 if blocks else 2), "the job runs")
    worker = fleet.worker_of(job)
    supervisor.signal(signal.SIGKILL)
    supervisor.ended()
    until(lambda: not fleet.processes(), "workers and their children end by themselves")
    fleet.lose(worker)
    fleet.allow("on")
    fleet.start()
    if blocks:
        until(lambda: len(fleet.effects(job)) == 2, "it is rescued by another supervisor")
        return
    [after] = fleet.ended([job])
    assert (after.state, after.attempt, after.token) == ("succeeded", 1, 2)
    check_items(fleet.effects(job), 3, again=1)
