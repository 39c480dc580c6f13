"""Many supervisors on one database: one leads, any of them may end, and no job is lost by it or run twice."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.core.errors import StorageUnavailable
from holdfast.core.records import LeaderRecord
from tests.servers.postgres import place_of, shared_url
from tests.system.fleet import Fleet, Supervisor, hosts_can_be_made, until

pytestmark = pytest.mark.system

SHORT = 10
"""Seconds of lease of a supervisor that is to die: as long as the longest of a leader."""


def leader_of(fleet: Fleet) -> LeaderRecord | None:
    return next(iter(fleet.parts.store.leaders()), None)


def leads(fleet: Fleet, supervisor: Supervisor) -> bool:
    leader = leader_of(fleet)
    return leader is not None and leader.holder.split(":")[-2] == str(supervisor.pid)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    """Settings that name a database: in a file, or on a server, where no process finds a folder to share."""
    return {} if request.param == "sqlite" else on_postgres(tmp_path)


def on_postgres(folder: Path) -> dict[str, object]:
    url = shared_url()
    schema = place_of(folder).schema
    return {
        "database_url": f"{url}{'&' if '?' in url else '?'}schema={schema}",
        "data_dir": "/proc/no/such/folder",
    }


def test_maintenance_continues_after_the_death_of_the_leader(
    make_fleet: Callable[..., Fleet], place: dict[str, object]
) -> None:
    """Killed with all its workers, as when a host goes: its jobs are rescued, and due jobs start."""
    fleet = make_fleet(**place)
    apart = bool(place) and hosts_can_be_made()
    first = fleet.start(host="host-a" if apart else "", lease=SHORT)
    until(lambda: leads(fleet, first), "the first one leads")
    second = fleet.start(host="host-b" if apart else "", queues="second")
    if apart:
        assert {worker.host for worker in fleet.workers()} == {"host-a", "host-b"}
    assert leads(fleet, first), "a second one does not take over"
    held = fleet.enqueue("end_loop", {"barrier": "end"})
    fleet.effect(held, "at the end")
    due = fleet.enqueue("nap", {"seconds": 0}, delay=4, queue="second")
    term = leader_of(fleet)
    first.signal(signal.SIGKILL, group=True)
    until(lambda: leads(fleet, second), "the second one leads")
    until(lambda: fleet.job(held).state == "enqueued", "its job is requeued", within=60)
    after = leader_of(fleet)
    assert term is not None
    assert after is not None
    assert after.term > term.term
    assert fleet.ended([due])[0].state == "succeeded"


def test_a_leader_that_was_frozen_finds_another_one_and_becomes_a_follower(
    make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    """Stopped for longer than its lease, with the tasks in its hands; what came due meanwhile has happened once."""
    fleet = make_fleet(**on_postgres(tmp_path))
    first = fleet.start("scheduler", lease=3)
    until(lambda: leads(fleet, first), "the first one leads")
    second = fleet.start("scheduler")
    due = fleet.enqueue_many("nap", [{"seconds": 0}] * 300, delay=2)
    first.signal(signal.SIGSTOP)
    until(lambda: leads(fleet, second), "the second one leads")
    first.signal(signal.SIGCONT)
    until(lambda: fleet.parts.store.states()["enqueued"] == len(due), "all that was due is claimable")
    until(lambda: first.lines("lost leadership to another scheduler"), "the first one knows")
    assert leads(fleet, second)
    assert {tuple(fleet.path(job)) for job in due} == {("scheduled", "enqueued")}


def test_a_clean_stop_passes_the_lead_on_at_once(make_fleet: Callable[..., Fleet]) -> None:
    """Also to a scheduler that runs alone, and with a lease that is too long to wait for."""
    fleet = make_fleet(lease=600)
    first = fleet.start("scheduler")
    until(lambda: leads(fleet, first), "the first one leads")
    second = fleet.start("scheduler")
    due = fleet.enqueue("nap", {"seconds": 0}, delay=1.0)
    first.signal(signal.SIGTERM)
    assert first.ended() == 0
    until(lambda: leads(fleet, second), "the second one leads")
    until(lambda: fleet.job(due).state == "enqueued", "what was due is claimable")


@pytest.mark.parametrize("role", ["worker", "scheduler"])
def test_a_process_whose_maintenance_fails_again_and_again_ends_and_another_one_leads(
    make_fleet: Callable[..., Fleet], role: str
) -> None:
    """A failure that is no outage: one row that cannot be read, in the one process that leads."""
    fleet = make_fleet()
    broken = fleet.start(role, app="tests.system.jobs.broken_task:app", lease=600)
    until(lambda: leads(fleet, broken), "the broken one leads")
    sound = fleet.start("scheduler")
    due = fleet.enqueue("nap", {"seconds": 0}, delay=0.5)
    assert broken.ended(60) == 1
    assert len(broken.lines("a part of this process failed; restarting it", "promote")) == 4
    assert broken.lines("a part of this process failed; stopping the process", "promote")
    until(lambda: leads(fleet, sound), "the sound one leads, long before the lease is over")
    until(lambda: fleet.job(due).state == "enqueued", "what was due is claimable")


def test_a_drained_worker_ends_with_its_last_job(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet()
    going = fleet.start(workers=2)
    job = fleet.enqueue("end_loop", {"barrier": "end"})
    fleet.effect(job, "at the end")
    staying = fleet.start()
    here = [worker.id for worker in fleet.workers() if _parent(worker.pid) == going.pid]
    assert len(here) == 2
    drain = fleet.holdfast("worker", "drain", *here, "--json")
    assert drain.returncode == 0, drain.stderr
    drained = json.loads(drain.stdout)["items"]
    assert {worker["id"]: worker["state"] for worker in drained} == dict.fromkeys(here, "draining")
    assert sum(worker["busy"] for worker in drained) == 1
    until(lambda: len(fleet.workers("draining")) == 1, "the idle one has ended")
    assert going.process.poll() is None, "a job still runs on the other one"
    others = [fleet.enqueue("nap", {"seconds": 0}) for _ in range(20)]
    kept = {record.worker for record in fleet.ended(others)}
    assert kept.isdisjoint(here), "who drains claims nothing"
    fleet.allow("end")
    [ended] = fleet.ended([job])
    assert (ended.state, ended.attempt, ended.token) == ("succeeded", 1, 1)
    assert going.ended() == 0
    assert len(going.lines("worker drained; not replacing it")) == 2
    assert staying.process.poll() is None
    assert len(fleet.workers()) == 1
    assert fleet.workers("lost", "draining") == []


def test_drain_waits_for_the_end_and_knows_whom_it_means(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet()
    supervisor = fleet.start(workers=2)
    assert fleet.holdfast("worker", "drain", "unknown").returncode == 3
    [host] = {worker.host for worker in fleet.workers()}
    drain = fleet.holdfast("worker", "drain", host, "--wait", "--timeout", "30s")
    assert drain.returncode == 0, drain.stderr
    assert drain.stderr.count("has stopped") == 2
    assert supervisor.ended() == 0
    assert fleet.workers("live", "draining", "lost") == []


def test_a_rolling_restart_under_load_loses_nothing(
    make_fleet: Callable[..., Fleet], place: dict[str, object]
) -> None:
    """Four times a new supervisor comes and the old one is drained, while jobs are added and run all the time."""
    fleet = make_fleet(concurrency=10, **place)
    added, stop = [fleet.enqueue("nap", {"seconds": 0.02})], threading.Event()

    def add() -> None:
        while not stop.wait(0.02):
            added.extend(fleet.enqueue_many("nap", [{"seconds": 0.02}] * 10))

    old = fleet.start()
    adding = threading.Thread(target=add)
    adding.start()
    try:
        for _ in range(4):
            known = {worker.id for worker in fleet.workers()}
            more = len(added) + 100
            until(lambda more=more: len(added) > more, "jobs are added")
            new = fleet.start()
            drain = fleet.holdfast("worker", "drain", *known, "--wait")
            assert drain.returncode == 0, drain.stderr
            assert old.ended() == 0
            by_new = fleet.enqueue("nap", {"seconds": 0.02})
            added.append(by_new)
            assert fleet.ended([by_new])[0].worker not in known, "each of them works"
            old = new
    finally:
        stop.set()
        adding.join(30)
    records = fleet.ended(added)
    assert Counter((r.state, r.attempt, r.token) for r in records) == {("succeeded", 1, 1): len(added)}


def test_a_live_store_moves_to_a_server_without_losing_a_job(
    make_fleet: Callable[..., Fleet], tmp_path: Path
) -> None:
    """Jobs in all states, workers at work, programs that enqueue until an error names the new place of the store."""
    old = make_fleet(concurrency=10)
    supervisor = old.start()
    waiting = old.enqueue_many("nap", [{"seconds": 0.05}] * 300)
    later = old.enqueue("nap", {"seconds": 0}, delay=3600)
    held = old.enqueue("items_loop", {"n": 4, "barrier": "on", "at": 2})
    until(lambda: len(old.effects(held)) == 3, "a job is at its third item")
    held.pause()
    old.allow("on-1")
    old.in_state(held, "paused")
    accepted, errors, stop = list[str](), list[str](), threading.Event()

    def add() -> None:
        while not stop.wait(0.01):
            try:
                accepted.append(old.enqueue("nap", {"seconds": 0.01}).id)
            except StorageUnavailable as error:
                errors.append(str(error))
                return

    adding = threading.Thread(target=add)
    adding.start()
    url = str(on_postgres(tmp_path)["database_url"])
    moved = old.holdfast("db", "copy", "--to", url, "--wait", "60s", "--json")
    stop.set()
    adding.join(30)
    assert moved.returncode == 0, moved.stderr
    assert "being copied" in "".join(errors) or "has moved" in "".join(errors), "who enqueues learns it"
    assert supervisor.ended() == 0
    new = make_fleet(**on_postgres(tmp_path), concurrency=20)
    answer = json.loads(moved.stdout)
    assert answer["jobs"] == len(waiting) + 2 + len(accepted)
    new.start()
    jobs = [new.app.handle(job) for job in (*(job.id for job in waiting), *accepted)]
    ended = new.ended(jobs, within=90)
    assert Counter((r.state, r.attempt) for r in ended) == {("succeeded", 1): len(jobs)}
    runs = Counter(effect["job"] for effect in (*old.effects(what="run"), *new.effects(what="run")))
    assert runs == dict.fromkeys((job.id for job in jobs), 1)
    assert new.job(later.id).state == "scheduled"
    new.allow("on")
    new.app.handle(held.id).resume()
    [after] = new.ended([new.app.handle(held.id)])
    assert (after.state, after.attempt, after.token) == ("succeeded", 1, 2)
    assert [effect["item"] for effect in new.effects(held.id, "item")] == [3]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
