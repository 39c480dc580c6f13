"""Two versions on one store: the old one continues, and starts anew, on a schema that the new one has brought up to date."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.client.handle import JobHandle
from tests.system.chaos import DATABASE_KINDS, database, size, tell
from tests.system.fleet import Fleet, until
from tests.system.histories import check_history, check_items, interruptions

pytestmark = pytest.mark.system

NEWER = "tests.system.jobs.newer:app"
JOBS = size(400, 10_000)
ITEMS = 3
"""Each job holds its place so many times."""


class Producer(threading.Thread):
    """A program of the old version that enqueues all the while."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(daemon=True)
        self.handles: list[JobHandle] = []
        self._fleet = fleet
        self._over = threading.Event()

    def run(self) -> None:
        while len(self.handles) < JOBS:
            args = [{"n": ITEMS, "pause": 0.02}] * 20
            self.handles += self._fleet.enqueue_many("items_loop", args)
            self._over.wait(0.4)

    def all(self) -> list[JobHandle]:
        """Enqueue the rest at once. Returns every job."""
        self._over.set()
        self.join(120)
        return self.handles


@pytest.mark.parametrize("kind", DATABASE_KINDS)
def test_two_versions_share_a_store_in_both_directions(
    make_fleet: Callable[..., Fleet], tmp_path: Path, kind: str
) -> None:
    fleet = make_fleet(workers=2, concurrency=20, **database(kind, tmp_path))
    old = fleet.start()
    new_job = fleet.holdfast("job", "enqueue", "later", app=NEWER)
    assert new_job.returncode != 0, "no worker knows this type yet"
    producer = Producer(fleet)
    producer.start()
    until(lambda: fleet.parts.store.states()["succeeded"], "the old version is at work")

    migrated = fleet.holdfast("db", "migrate", app=NEWER)
    assert migrated.returncode == 0, migrated.stderr
    status = fleet.holdfast("db", "status", "--json")
    assert status.returncode == 0, f"an older program shows the status: {status}"

    victim = fleet.workers()[0].pid
    os.kill(victim, signal.SIGKILL)
    until(
        lambda: len({w.pid for w in fleet.workers()} - {victim}) == 2,
        "the old one starts anew on the newer schema",
    )

    new = fleet.start(app=NEWER)
    later = fleet.enqueue("later")  # published by the new one; by a program without its code
    fleet.in_state(later, "succeeded")
    drained = fleet.holdfast(
        "worker", "drain", *[w.id for w in fleet.workers() if w.pid in children(old.pid)], "--wait"
    )
    assert drained.returncode == 0, drained.stderr
    assert old.ended(within=30) == 0

    back = fleet.start()  # the way back: the older version once more, and the newer one goes
    new.signal(signal.SIGTERM)
    new.ended(within=30)
    waiting = fleet.enqueue("later")
    handles = producer.all()
    records = fleet.ended(handles, within=size(60.0, 600.0))
    assert fleet.job(waiting).state == "enqueued", "a job of an unknown type waits, and does not fail"
    fleet.start(app=NEWER)
    fleet.in_state(waiting, "succeeded")
    back.signal(signal.SIGTERM)

    effects: dict[str, list[dict[str, object]]] = {}
    for effect in fleet.effects(what="item"):
        effects.setdefault(effect["job"], []).append(effect)
    for record in records:
        history = fleet.history(record.id)
        check_history(record, history)
        assert record.state == "succeeded", (record, history)
        check_items(effects[record.id], ITEMS, interruptions(history))
    tell(f"{kind}: {len(records)} jobs under two versions, none failed, none lost")


def children(supervisor: int) -> set[int]:
    """Processes that a supervisor has started."""
    text = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
    return {int(pid) for pid in text.split()}
