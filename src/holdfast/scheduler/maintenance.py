"""The maintenance tasks. Each is a guarded write, so that two leaders at once waste work but do no damage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from holdfast.runtime.periodic import PeriodicTask
from holdfast.runtime.process_locks import ProcessLocks
from holdfast.scheduler.leader import Leader, LeaderOnly, name_of
from holdfast.storage import writes
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader
from holdfast.storage.topics import Topic

MAX_BATCH = 500
MAX_EVENT_BATCH = 50_000
BATCH_PAUSE = 0.05
"""Seconds between two batches, so that other writes get their share."""

MAX_SLEEP = 1.0
CONTENDED_SLEEP = 0.25

log = structlog.get_logger("holdfast.scheduler")


class PromoteDueJobs:
    """Enqueues scheduled jobs when they are due. Sleeps exactly until the next one is due."""

    name = "promote"
    topics: Sequence[Topic] = (Topic.WORK,)

    def __init__(self, gateway: Gateway, reader: Reader) -> None:
        self._gateway = gateway
        self._reader = reader

    async def run_once(self) -> float:
        due, now = await asyncio.to_thread(lambda: (self._reader.next_due(), self._reader.now()))
        if due is not None and due <= now:
            promoted, due = await self._gateway.run_async(writes.Promote(MAX_BATCH))
            if not promoted:  # another process is promoting the due jobs, or has locked them
                return CONTENDED_SLEEP
            now = await asyncio.to_thread(self._reader.now)
        return MAX_SLEEP if due is None else min(MAX_SLEEP, max(0.0, (due - now) / 1_000_000))


class RescueExpiredLeases:
    """Requeues jobs of workers whose lease has expired.

    While the store is unavailable no worker can renew its lease, so all of them get half a lease afterwards to do so.
    """

    name = "rescue"
    topics: Sequence[Topic] = ()

    def __init__(self, gateway: Gateway, leader: Leader, lease: float) -> None:
        self._gateway = gateway
        self._leader = leader
        self._lease = lease

    async def run_once(self) -> float:
        wait = self._lease / 2 - self._leader.available_for
        if wait > 0:
            return wait
        for swept in await self._gateway.run_async(writes.Rescue()):
            log.warning(
                "rescued from a dead worker",
                job=swept.id,
                type=swept.type,
                worker=swept.worker,
                now=swept.state,
            )
        return self._lease / 6


class RescueDeadProcesses:
    """Requeues jobs of processes of this host that have died, and releases their leader lease: their lock files show the
    death at once. Every process runs it, not only the leader: no other host can see these locks.

    `supervised`: the workers of a supervisor in this process, which rescues their jobs itself and logs more details."""

    name = "rescue_dead"
    topics: Sequence[Topic] = ()
    every = 1.0

    def __init__(
        self, gateway: Gateway, reader: Reader, locks: ProcessLocks, supervised: Callable[[], Sequence[str]]
    ) -> None:
        self._gateway = gateway
        self._reader = reader
        self._locks = locks
        self._supervised = supervised

    async def run_once(self) -> float:
        dead = [name for name in self._locks.dead() if name not in self._supervised()]
        if not dead:
            return self.every
        for leader in await asyncio.to_thread(self._reader.leaders):
            if name_of(leader.holder) in dead:
                await self._gateway.run_async(writes.ReleaseLease(leader.role, leader.holder))
        for swept in await self._gateway.run_async(writes.Rescue(dead)):
            log.warning(
                "rescued from a dead process",
                job=swept.id,
                type=swept.type,
                worker=swept.worker,
                now=swept.state,
            )
        for name in dead:
            self._locks.forget(name)
        return self.every


class ExpireEndedJobs:
    """Removes ended jobs whose retention is over, in small batches so that other writes do not wait."""

    name = "expire"
    topics: Sequence[Topic] = ()
    every = 15.0

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def run_once(self) -> float:
        removed = await self._gateway.run_async(writes.Expire(MAX_BATCH))
        return BATCH_PAUSE if removed == MAX_BATCH else self.every


class AggregateChart:
    """Aggregates events into the buckets of the throughput chart, in batches, since many events may have accumulated."""

    name = "aggregate"
    topics: Sequence[Topic] = ()
    every = 2.0

    def __init__(self, gateway: Gateway, reader: Reader) -> None:
        self._gateway = gateway
        self._reader = reader
        self._seen = -1

    async def run_once(self) -> float:
        newest = await asyncio.to_thread(self._reader.last_event)
        if newest != self._seen:
            if await self._gateway.run_async(writes.AggregateEvents(MAX_EVENT_BATCH)) == MAX_EVENT_BATCH:
                return BATCH_PAUSE
            self._seen = newest
        return self.every


def maintenance_tasks(
    gateway: Gateway, reader: Reader, leader: Leader, rescue_dead: RescueDeadProcesses, *, lease: float
) -> list[PeriodicTask]:
    """All maintenance tasks, run while `leader` leads; `leader` itself is among them, and `rescue_dead`, which every process
    runs for its own host."""
    tasks = (
        PromoteDueJobs(gateway, reader),
        RescueExpiredLeases(gateway, leader, lease),
        ExpireEndedJobs(gateway),
        AggregateChart(gateway, reader),
    )
    return [rescue_dead, leader, *(LeaderOnly(task, leader) for task in tasks)]
