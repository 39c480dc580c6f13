"""The maintenance tasks. Each is a guarded write, so that two schedulers by accident are waste, not damage."""

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
"""Seconds between two portions, for others to write."""

MAX_SLEEP = 1.0
CONTENDED_SLEEP = 0.25

log = structlog.get_logger("holdfast.scheduler")


class PromoteDueJobs:
    """Scheduled → enqueued, when the time has come. Sleeps exactly until the next job is due."""

    name = "promote"
    topics: Sequence[Topic] = (Topic.WORK,)

    def __init__(self, gateway: Gateway, reader: Reader) -> None:
        self._gateway = gateway
        self._reader = reader

    async def run_once(self) -> float:
        due, now = await asyncio.to_thread(lambda: (self._reader.next_due(), self._reader.now()))
        if due is not None and due <= now:
            promoted, due = await self._gateway.run_async(writes.Promote(MAX_BATCH))
            if not promoted:  # somebody else has the due jobs in hand, or has locked them
                return CONTENDED_SLEEP
            now = await asyncio.to_thread(self._reader.now)
        return MAX_SLEEP if due is None else min(MAX_SLEEP, max(0.0, (due - now) / 1_000_000))


class RescueExpiredLeases:
    """Jobs of workers whose lease has run out go back to their queue.

    After a time without the store nobody could renew his lease: all get half a lease to do so before any is taken for dead.
    """

    name = "rescue"
    topics: Sequence[Topic] = ()

    def __init__(self, gateway: Gateway, leader: Leader, lease: float) -> None:
        self._gateway = gateway
        self._leader = leader
        self._lease = lease

    async def run_once(self) -> float:
        wait = self._lease / 2 - self._leader.answered_for
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
    """Jobs of processes of this host that have died go back to their queue, and so does the lead: their locks tell it at
    once. Done by every process, not by the leader alone: no other host can see these locks.

    `keeps`: the workers whose end a supervisor in this process hears of itself, and can say more about."""

    name = "rescue_dead"
    topics: Sequence[Topic] = ()
    every = 1.0

    def __init__(
        self, gateway: Gateway, reader: Reader, locks: ProcessLocks, keeps: Callable[[], Sequence[str]]
    ) -> None:
        self._gateway = gateway
        self._reader = reader
        self._locks = locks
        self._keeps = keeps

    async def run_once(self) -> float:
        dead = [name for name in self._locks.dead() if name not in self._keeps()]
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
    """Ended jobs whose retention is over are removed, in small batches so that no writer waits."""

    name = "expire"
    topics: Sequence[Topic] = ()
    every = 15.0

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def run_once(self) -> float:
        removed = await self._gateway.run_async(writes.Expire(MAX_BATCH))
        return BATCH_PAUSE if removed == MAX_BATCH else self.every


class AggregateChart:
    """Events are summed into the buckets that the throughput chart is drawn from, in portions: nobody may have done so for
    long."""

    name = "roll up"
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
    """All of them, run while `leader` leads; `leader` itself is among them, and `rescue_dead`, which every process runs
    for its own host."""
    tasks = (
        PromoteDueJobs(gateway, reader),
        RescueExpiredLeases(gateway, leader, lease),
        ExpireEndedJobs(gateway),
        AggregateChart(gateway, reader),
    )
    return [rescue_dead, leader, *(LeaderOnly(task, leader) for task in tasks)]
