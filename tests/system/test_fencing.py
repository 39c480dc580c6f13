"""No run of a job beside its successor: who hears no confirmed heartbeat stops before the lease ends, or is killed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.client.handle import JobHandle
from holdfast.core.outcome import Settlement
from holdfast.core.states import Verb
from holdfast.storage.writes import Settle
from tests.system.fleet import Fleet, Supervisor, kill, until

LEASES = {"lease": 5, "heartbeat_interval": 0.5}


def check_alone(fleet: Fleet, job: JobHandle) -> None:
    """Wait for the second run; nothing of the first one comes after its beginning. One that has no effects, because it
    blocks its process, has ended with it."""
    [second] = until(lambda: begun(fleet, job, 2), "the job runs elsewhere")
    if not ticks(fleet, job, 1):
        assert second["others"] == []
        return
    until(lambda: len(ticks(fleet, job, 2)) > 20, "the second run is at work")
    late = [tick for tick in ticks(fleet, job, 1) if tick["at"] >= second["at"]]
    assert not late, f"{len(late)} effects of the old run beside the new one"


def begun(fleet: Fleet, job: JobHandle, token: int) -> list[dict[str, object]]:
    return [effect for effect in fleet.effects(job, "begin") if effect["token"] == token]


def ticks(fleet: Fleet, job: JobHandle, token: int) -> list[dict[str, int]]:
    return [effect for effect in fleet.effects(job, "tick") if effect["token"] == token]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # it has ended meanwhile
        return ""


def started(fleet: Fleet, kind: str, how: str) -> tuple[Supervisor, JobHandle]:
    """A fleet whose only job has begun."""
    supervisor = fleet.start()
    job = fleet.enqueue(kind, {"how": how})
    fleet.effect(job, "begin")
    return supervisor, job


@pytest.mark.parametrize(
    ("kind", "how", "stopped"),
    [
        ("alone_loop", "spin", "supervisor"),
        ("alone_loop", "sleep", "supervisor"),
        ("alone_loop", "regex", "supervisor"),
        ("alone_thread", "spin", "supervisor"),
        ("alone_process", "spin", "supervisor"),
        ("alone_thread", "spin", "worker"),
        ("alone_process", "spin", "worker"),
        ("alone_process", "spin", "both"),
    ],
)
def test_a_run_is_over_before_the_next_one_begins(
    make_fleet: Callable[..., Fleet], kind: str, how: str, stopped: str
) -> None:
    """Stopped is the worker, whose children run on; or its supervisor, so that no heartbeat comes."""
    fleet = make_fleet(**LEASES)
    supervisor, job = started(fleet, kind, how)
    worker = fleet.worker_of(job)
    pids = {"supervisor": [supervisor.pid], "worker": [worker.pid], "both": [supervisor.pid, worker.pid]}
    fleet.stand_still(*pids[stopped])
    fleet.start()
    check_alone(fleet, job)
    supervisor.signal(signal.SIGCONT)
    until(lambda: len(fleet.workers()) == 2, "the old worker is back, or was replaced")
    check_alone(fleet, job)


def test_a_worker_without_heartbeats_releases_its_jobs_and_continues(
    make_fleet: Callable[..., Fleet],
) -> None:
    """Their places are stored, for the store is available; and no attempt is used."""
    fleet = make_fleet(**LEASES)
    supervisor = fleet.start()
    job = fleet.enqueue("items_loop", {"n": 3, "barrier": "go", "at": 1})
    until(lambda: len(fleet.effects(job)) == 2, "the job is at its second item")
    fleet.stand_still(supervisor.pid)
    fleet.in_state(job, "enqueued")
    assert fleet.history(job)[-1].reason == "worker stopped"
    supervisor.signal(signal.SIGCONT)
    fleet.allow("go")
    [after] = fleet.ended([job])
    assert (after.state, after.attempt, after.token) == ("succeeded", 1, 2)
    assert [effect["item"] for effect in fleet.effects(job, "item")] == [0, 1, 1, 2]


def test_a_worker_that_holds_its_interpreter_lives_while_heartbeats_are_confirmed(
    make_fleet: Callable[..., Fleet],
) -> None:
    """The job holds it from a moment on at which its worker has nothing to write: one that is caught in the middle of a
    transaction keeps all others from writing, the heartbeats too, and is killed for it."""
    fleet = make_fleet(**LEASES)
    fleet.start()
    job = fleet.enqueue("alone_loop", {"how": "regex", "barrier": "go"})
    fleet.in_state(job, "processing")
    held = fleet.worker_of(job)
    beats: set[int] = set()

    def heartbeats() -> set[int]:
        beats.update(worker.heartbeat_at for worker in fleet.parts.store.workers() if worker.id == held.id)
        return beats

    until(lambda: len(heartbeats()) > 3, "the worker has claimed again, and found nothing")
    fleet.allow("go")
    fleet.effect(job, "begin")
    beats.clear()
    twice = 2_000_000 * LEASES["lease"]
    until(lambda: max(heartbeats()) - min(beats) > twice, "twice its lease is over")
    assert fleet.job(job).token == 1


def test_a_guard_that_dies_is_replaced(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(**LEASES)
    supervisor, job = started(fleet, "alone_loop", "spin")
    [guard] = [pid for pid in fleet.processes() if "guard.py" in command(pid)]
    kill(guard)
    until(lambda: supervisor.lines("the guard of the workers ended"), "its supervisor has noticed")
    until(lambda: any("guard.py" in command(pid) for pid in fleet.processes()), "there is a new one")
    fleet.stand_still(supervisor.pid)
    fleet.start()
    check_alone(fleet, job)


def test_a_job_that_the_store_has_given_to_others_is_interrupted(make_fleet: Callable[..., Fleet]) -> None:
    """Its worker compares both ways; this job would never hear of it by itself."""
    fleet = make_fleet(heartbeat_interval=0.3)
    _, job = started(fleet, "alone_thread", "spin")
    [(seq, token)] = fleet.parts.store.claims_of(fleet.worker_of(job).id)
    fleet.parts.gateway.run(Settle([Settlement(seq, token, Verb.RELEASE)]))
    until(lambda: [e for e in fleet.effects(job, "end") if e["token"] == 1], "the first run has ended")
    until(lambda: begun(fleet, job, 2), "the second one has begun")
    assert fleet.job(job).state == "processing"
