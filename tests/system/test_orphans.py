"""Jobs that kill, block or exhaust what runs them: the others continue, heartbeats are sent, and who kills three times is
shut away."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from holdfast.client.handle import JobHandle
from holdfast.core.errors import StorageUnavailable
from tests.system.fleet import Fleet, until
from tests.system.histories import check_history, check_items

FORCE = 0.5
"""cancel_grace of these fleets."""

BEATS = 5
"""Heartbeats that must come while a job holds its worker."""


def neighbours(fleet: Fleet) -> list[tuple[str, object]]:
    kinds = ("items_loop", "items_thread", "items_process")
    jobs = [fleet.enqueue(kind, {"n": 3, "barrier": "on", "at": 1}) for kind in kinds]
    for job in jobs:
        until(lambda job=job: len(fleet.effects(job)) == 2, "a neighbour is at its second item")
    return jobs  # type: ignore[return-value]


def check_neighbours(fleet: Fleet, jobs: list) -> None:  # type: ignore[type-arg]
    """They have ended well, each item held, without an attempt used."""
    fleet.allow("on")
    for job in fleet.ended(jobs):
        assert (job.state, job.attempt) == ("succeeded", 1), job
        check_history(job, fleet.history(job.id))
        check_items(fleet.effects(job.id, "item"), 3, again=job.token - 1)


@pytest.mark.parametrize(
    ("kind", "how"),
    [("bad_loop", "exit"), ("bad_loop", "segfault"), ("bad_thread", "kill"), ("bad_thread", "segfault")],
)
def test_a_job_that_kills_its_worker_is_shut_away(
    make_fleet: Callable[..., Fleet], kind: str, how: str
) -> None:
    """Twice it takes a worker with it, the third time only a child of its own."""
    fleet = make_fleet(children=4)  # the neighbours were running there twice too, and so need one each
    supervisor = fleet.start()
    others = neighbours(fleet)
    bad = fleet.enqueue(kind, {"how": how})
    [after] = fleet.ended([bad])
    assert (after.state, after.reason, after.crashes, after.token) == ("failed", "quarantined", 3, 3)
    assert after.error_type == "WorkerCrashed"
    check_history(after, fleet.history(bad))
    pids = [effect["pid"] for effect in fleet.effects(bad)]
    assert len(set(pids)) == 3
    workers = fleet.workers("live", "lost")
    assert len({worker.name for worker in workers}) == len(workers) == 3, "names tell processes apart"
    assert len(supervisor.lines("worker process ended; replacing it")) == 2, (
        "the third death was that of a child"
    )
    check_neighbours(fleet, others)


@pytest.mark.parametrize("how", ["exit", "segfault", "kill"])
def test_a_child_dies_alone(make_fleet: Callable[..., Fleet], how: str) -> None:
    fleet = make_fleet(children=2)
    supervisor = fleet.start()
    others = neighbours(fleet)
    bad = fleet.enqueue("bad_process", {"how": how})
    [after] = fleet.ended([bad])
    assert (after.state, after.reason, after.crashes, after.token) == ("failed", "quarantined", 3, 3)
    assert not supervisor.lines("worker process ended")
    check_neighbours(fleet, others)
    assert all(fleet.job(job).token == 1 for job in others), "no other job has noticed"


def test_memory_that_is_not_there_fails_the_job_alone(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(children=2)
    supervisor = fleet.start()
    others = neighbours(fleet)
    bad = fleet.enqueue("bad_process", {"how": "memory"})
    [after] = fleet.ended([bad])
    assert (after.state, after.error_type, after.crashes) == ("failed", "MemoryError", 0)
    assert not supervisor.lines("worker process ended")
    check_neighbours(fleet, others)


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("bad_loop", "block until released"),
        ("bad_loop", "gil until released"),
        ("bad_thread", "gil until released"),
    ],
)
def test_the_heart_beats_while_a_job_holds_everything(
    make_fleet: Callable[..., Fleet], kind: str, how: str
) -> None:
    """The worker can do nothing at all, and its lease is renewed again and again. No other worker takes its jobs."""
    fleet = make_fleet(heartbeat_interval=0.3)
    fleet.start()
    other = fleet.enqueue("nap", {"seconds": 0.1})
    bad = fleet.enqueue(kind, {"how": how})
    fleet.effect(bad, how)
    held = fleet.worker_of(bad)
    fleet.start()  # one that would take them
    beats: set[int] = set()

    def renewed() -> bool:
        [worker] = [w for w in fleet.parts.store.workers() if w.id == held.id]
        assert worker.state == "live"
        beats.add(worker.heartbeat_at)
        return len(beats) > BEATS

    until(renewed, "heartbeats are stored while the job holds everything")
    if how == "gil until released":
        os.close(os.open(fleet.folder / "fifo", os.O_WRONLY))
    fleet.allow("released")
    for job in (other, bad):
        after = fleet.ended([job])[0]
        assert (after.state, after.token, after.attempt) == ("succeeded", 1, 1), after
    assert held.id in {w.id for w in fleet.workers()}


@pytest.mark.parametrize(
    ("kind", "args"), [("bad_loop", {"how": "block"}), ("bad_loop", {"how": "gil"}), ("regex", {})]
)
def test_a_job_that_holds_everything_can_be_cancelled(
    make_fleet: Callable[..., Fleet], kind: str, args: dict[str, str]
) -> None:
    fleet = make_fleet(cancel_grace=FORCE, children=2)
    supervisor = fleet.start()
    others = neighbours(fleet)
    bad = fleet.enqueue(kind, args)
    fleet.effect(bad, args.get("how", kind))
    bad.cancel("too long")
    [after] = fleet.ended([bad])
    assert (after.state, after.reason) == ("cancelled", "too long")
    check_history(after, fleet.history(bad))
    assert supervisor.lines("worker unresponsive; killing")
    check_neighbours(fleet, others)


def test_a_worker_that_hangs_in_a_transaction_is_killed(make_fleet: Callable[..., Fleet]) -> None:
    """A job holds the GIL at a moment when its process has the writing turn: all others would wait as long as it likes."""
    fleet = make_fleet(children=2)
    supervisor = fleet.start()
    others = neighbours(fleet)
    bad = fleet.enqueue("bad_loop", {"how": "hog", "once": True})
    fleet.effect(bad, "in a transaction")

    def enqueued() -> JobHandle | None:
        try:
            return fleet.enqueue("note_loop")
        except StorageUnavailable:  # it waited for some time, and would have to try again
            return None

    after = until(enqueued, "it gets its turn")
    assert supervisor.lines("worker blocks all writes; killing")
    assert [job.state for job in fleet.ended([bad, after])] == ["succeeded", "succeeded"]
    check_neighbours(fleet, others)


@pytest.mark.parametrize("kind", ["deaf", "bad_process"])
def test_a_job_that_ignores_every_request_is_forced(make_fleet: Callable[..., Fleet], kind: str) -> None:
    """In the loop and in a child, force ends the child only."""
    fleet = make_fleet(cancel_grace=FORCE, children=2)
    supervisor = fleet.start()
    others = neighbours(fleet)
    bad = fleet.enqueue(kind, {"how": "block"} if kind == "bad_process" else {})
    fleet.effect(bad, "block" if kind == "bad_process" else kind)
    bad.cancel()
    [after] = fleet.ended([bad])
    assert after.state == "cancelled"
    assert not supervisor.lines("worker process ended")
    check_neighbours(fleet, others)


def test_a_thread_that_nothing_can_end_is_left_and_its_worker_renewed(
    make_fleet: Callable[..., Fleet],
) -> None:
    fleet = make_fleet(cancel_grace=FORCE, children=2)
    supervisor = fleet.start()
    others = neighbours(fleet)
    bad = fleet.enqueue("bad_thread", {"how": "block"})
    old = fleet.worker_of(bad)
    fleet.effect(bad, "block")
    bad.cancel()
    [after] = fleet.ended([bad])
    assert after.state == "cancelled"
    until(lambda: [w.state for w in fleet.workers("draining") if w.id == old.id], "the worker drains")
    check_neighbours(fleet, others)
    until(lambda: old.pid not in fleet.processes(), "the old process is gone, with its thread")
    until(lambda: [w for w in fleet.workers() if w.id != old.id], "there is a new worker")
    assert not supervisor.lines("requeued from a dead worker"), "it has ended in order"
    assert fleet.ended([fleet.enqueue("note_loop")])[0].state == "succeeded"
