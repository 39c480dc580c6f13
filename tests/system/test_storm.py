"""Kill storm: whatever is killed, no job is lost, none ends twice, and no held item is run again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.client.handle import JobHandle
from holdfast.core.states import FINAL_STATES
from tests.system.chaos import CHAOS, DATABASE_KINDS, LIMIT, SEED, WITHIN, database, size, tell
from tests.system.fleet import Fleet, Supervisor, kill, until
from tests.system.histories import check_history, check_items, interruptions

SIZES = {"sqlite": (100, 2_000), "postgresql": (20, 400), "mysql": (20, 400)}
"""Kills and jobs in every run of the suite."""
FULL = (2_000, 20_000)

ITEMS = 6
SUPERVISOR_EVERY = 20
"""One of so many blows hits a whole supervisor; its workers count as killed with it."""

ALL_KINDS = (("items_loop", 65), ("steps", 15), ("items_thread", 15), ("items_process", 5))
PORTION = sum(share for _, share in ALL_KINDS)
BACKLOG = 300
"""Jobs that wait or run are kept at so many, so that little is left when the time of a storm is over."""


class Storm:
    """Kills workers that run jobs, and now and then a supervisor with all of them, spread over the whole work."""

    def __init__(self, fleet: Fleet, chance: random.Random, kills: int, jobs: int) -> None:
        self.fleet = fleet
        self.kills = kills
        self.handles: list[JobHandle] = []
        self.hit: set[int] = set()
        """Worker processes that were killed."""
        self._chance = chance
        self._jobs = jobs
        self._ended = 0

    def run(self) -> None:
        supervisor = self.fleet.start()
        deadline = time.monotonic() + WITHIN
        blows = 0
        while len(self.hit) < self.kills and (not CHAOS or time.monotonic() < deadline):
            victim = until(self._victim, "a worker is at work", within=60, every=0.1)
            blows += 1
            if blows % SUPERVISOR_EVERY:
                kill(victim)
                self.hit.add(victim)
            else:
                self.hit |= {worker.pid for worker in self.fleet.workers()}
                _kill_all(supervisor, alone=bool(blows % (2 * SUPERVISOR_EVERY)))
                supervisor = self.fleet.start()

    def _victim(self) -> int | None:
        """A worker that runs jobs and was not hit yet, once so many jobs have ended."""
        self._feed()
        if self._ended < 0.9 * self._jobs / self.kills * len(self.hit):
            return None
        workers = self.fleet.workers()
        at_work = [worker.pid for worker in workers if worker.busy and worker.pid not in self.hit]
        return self._chance.choice(at_work) if at_work else None

    def _feed(self) -> None:
        """Add a portion of the work when little is left: until there were enough jobs, and as long as the storm lasts."""
        states = self.fleet.parts.store.states()
        self._ended = sum(states[state] for state in FINAL_STATES)
        enough = len(self.handles) >= self._jobs and len(self.hit) >= self.kills
        if not enough and len(self.handles) - self._ended < BACKLOG:
            for name, share in ALL_KINDS:
                args = {"n": ITEMS, "pause": 0.08 if "process" not in name else 0.03}
                self.handles += self.fleet.enqueue_many(name, [args] * share)


def _kill_all(supervisor: Supervisor, *, alone: bool) -> None:
    """Kill a supervisor: `alone`, so that its workers have to notice, or with its workers at once."""
    supervisor.signal(signal.SIGKILL, group=not alone)
    supervisor.ended(within=10)


@pytest.mark.slow
@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("kind", DATABASE_KINDS)
def test_a_storm_of_kills_loses_nothing_and_ends_nothing_twice(
    make_fleet: Callable[..., Fleet], tmp_path: Path, kind: str
) -> None:
    kills, jobs = size(SIZES[kind], FULL)
    kills = int(os.environ.get("HOLDFAST_TEST_KILLS", kills))
    jobs = int(os.environ.get("HOLDFAST_TEST_JOBS", jobs)) // PORTION * PORTION
    fleet = make_fleet(
        workers=4,
        concurrency=12,
        threads=6,
        children=1,
        lease=3,
        heartbeat_interval=0.3,
        **database(kind, tmp_path),
    )
    storm = Storm(fleet, random.Random(SEED), kills, jobs)

    started = time.monotonic()
    storm.run()
    stormed = time.monotonic() - started
    records = fleet.ended(storm.handles, within=size(150.0, 600.0))

    effects: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for effect in fleet.effects(what="item"):
        effects[effect["job"]].append(effect)
    twice = cut = 0
    for record in records:
        history = fleet.history(record.id)
        check_history(record, history)
        assert record.state == "succeeded", (record, history)
        assert record.attempt == 1, f"a kill used an attempt: {record} {history}"
        cut += interruptions(history)
        twice += check_items(effects[record.id], ITEMS, interruptions(history))
    assert sum(fleet.parts.store.states().values()) == len(records), "a job that was not enqueued"
    killed = len(storm.hit)
    report = f"{kind}: {killed} kills in {stormed:.0f} s, {len(records)} jobs, {cut} runs cut off, {twice} items twice"
    tell(f"{report}, {time.monotonic() - started:.0f} s in all")
    assert killed >= kills or CHAOS, report  # the large storm is bounded by time too
    assert cut >= killed, f"the storm has hit nothing: {report}"
