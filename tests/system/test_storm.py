"""Kill storm: whatever is killed, no job is lost, none ends twice, and no held item is run again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from holdfast.client.handle import JobHandle
from tests.system.fleet import Fleet, Supervisor, kill, until
from tests.system.histories import check_history, check_items, interruptions

CHAOS = os.environ.get("HOLDFAST_TEST_CHAOS") == "1"
KILLS, JOBS = (2_000, 20_000) if CHAOS else (100, 2_000)
KILLS = int(os.environ.get("HOLDFAST_TEST_KILLS", KILLS))
JOBS = int(os.environ.get("HOLDFAST_TEST_JOBS", JOBS))
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", random.randrange(1 << 30)))
WITHIN = 60 * float(os.environ.get("HOLDFAST_TEST_MINUTES") or 60) if CHAOS else 150.0

ITEMS = 6
SUPERVISOR_EVERY = 20
"""One of so many blows hits a whole supervisor; its workers count as killed with it."""

ALL_KINDS = (("items_loop", 65), ("steps", 15), ("items_thread", 15), ("items_process", 5))


def storm(fleet: Fleet, chance: random.Random) -> int:
    """Kill workers that have jobs on board, and now and then a supervisor with all of them, spread over the whole work.
    Answers how many worker processes were killed."""
    hit: set[int] = set()
    supervisor = fleet.start()
    deadline = time.monotonic() + WITHIN
    blows, step = 0, 0.9 * JOBS / KILLS
    while len(hit) < KILLS and (not CHAOS or time.monotonic() < deadline):
        find = partial(_victim, fleet, chance, hit, step * len(hit))
        victim = until(find, "a worker is at work", within=60)
        blows += 1
        if blows % SUPERVISOR_EVERY:
            kill(victim)
            hit.add(victim)
        else:
            hit |= {worker.pid for worker in fleet.workers()}
            _kill_all(supervisor, alone=bool(blows % (2 * SUPERVISOR_EVERY)))
            supervisor = fleet.start()
    return len(hit)


def _kill_all(supervisor: Supervisor, *, alone: bool) -> None:
    """Kill a supervisor: `alone`, so that its workers have to notice, or with its workers at once."""
    supervisor.signal(signal.SIGKILL, group=not alone)
    supervisor.ended(within=10)


def _victim(fleet: Fleet, chance: random.Random, hit: set[int], not_before: float) -> int | None:
    """A worker with jobs on board that was not hit yet, once so many jobs have ended."""
    states = fleet.parts.store.states()
    assert states["succeeded"] < JOBS, f"the work was over after {len(hit)} kills"
    at_work = [worker.pid for worker in fleet.workers() if worker.busy and worker.pid not in hit]
    return chance.choice(at_work) if at_work and states["succeeded"] >= not_before else None


@pytest.mark.slow
@pytest.mark.timeout(WITHIN + 120)
def test_a_storm_of_kills_loses_nothing_and_ends_nothing_twice(make_fleet: Callable[..., Fleet]) -> None:
    chance = random.Random(SEED)
    fleet = make_fleet(workers=4, concurrency=12, threads=6, children=1, lease=3, heartbeat_interval=0.3)
    names = [name for name, share in ALL_KINDS for _ in range(share)]
    jobs: list[JobHandle] = []
    for name in names:
        args = {"n": ITEMS, "pause": 0.08 if "process" not in name else 0.03}
        jobs += fleet.enqueue_many(name, [args] * (JOBS // len(names)))

    started = time.monotonic()
    killed = storm(fleet, chance)
    stormed = time.monotonic() - started
    records = fleet.ended(jobs, within=WITHIN)

    effects: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for effect in fleet.effects(what="item"):
        effects[effect["job"]].append(effect)
    twice = cut = 0
    for record in records:
        history = fleet.history(record.id)
        check_history(record, history)
        assert record.state == "succeeded", (record, history)
        assert record.attempt == 1, f"a kill burnt an attempt: {record} {history}"
        cut += interruptions(history)
        twice += check_items(effects[record.id], ITEMS, interruptions(history))
    report = f"seed {SEED}: {killed} kills in {stormed:.0f} s, {len(jobs)} jobs, {cut} runs cut off, {twice} items twice"
    print(f"\n{report}, {time.monotonic() - started:.0f} s in all")  # noqa: T201
    assert killed >= KILLS or CHAOS, report  # the large storm is bounded by time too
    assert cut >= killed, f"the storm has hit nothing: {report}"
