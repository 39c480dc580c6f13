"""The verbs of queues, of maintenance and of the fleet on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from holdfast.core.job import TypeRow, WorkerRow
from holdfast.core.records import Swept
from holdfast.core.rescue import decide_rescue
from holdfast.core.retention import KEEP_BUCKETS, KEEP_EVENTS, KEEP_LOST_WORKERS, KEEP_OUTCOMES
from holdfast.core.states import DIED, LEASE_EXPIRED, State
from holdfast.storage.postgres import maintenance_statements as sql
from holdfast.storage.postgres.command import CommandVerbs
from holdfast.storage.postgres.insight import COUNT_OUTCOMES, EXPIRE_OUTCOMES
from holdfast.storage.postgres.writer import columns_of


class MaintenanceVerbs(CommandVerbs):
    """The verbs of queues, of the clock, and of worker processes."""

    # -- queues -----------------------------------------------------------------------------------------------------------

    def pause_queue(self, name: str, *, actor: str | None, reason: str | None) -> None:
        self._db.execute(sql.PAUSE_QUEUE, (name, self._time, actor, reason))
        self._db.execute(sql.QUEUE_EVENT, (self._time, "paused", actor, name))

    def resume_queue(self, name: str, *, actor: str | None) -> None:
        self._db.execute(sql.RESUME_QUEUE, (name,))
        self._db.execute(sql.QUEUE_EVENT, (self._time, "open", actor, name))

    # -- what happens by the clock ----------------------------------------------------------------------------------------

    def promote(self, limit: int) -> tuple[int, int | None]:
        promoted = self._db.execute(sql.PROMOTE, {"now": self._time, "limit": limit}).fetchall()
        for (lane,) in promoted:
            self._count(lane, State.SCHEDULED, State.ENQUEUED)
        due = self._db.execute(sql.NEXT_DUE).fetchone()
        return len(promoted), due[0] if due else None

    def rescue(self, dead: Sequence[str] = (), *, why: str = DIED) -> list[Swept]:
        asked = {"dead": list(dead), "now": self._time}
        self._db.execute(sql.LOSE_NAMED if dead else sql.LOSE_EXPIRED, asked)
        self._db.execute(sql.FORGET_WORKERS, (self._time - KEEP_LOST_WORKERS,))
        orphans = self._db.execute(sql.ORPHANS, asked).fetchall()
        if not orphans:
            return []
        recoveries = [self._recovery(row, why if row[3] in dead else LEASE_EXPIRED) for row in orphans]
        self._db.execute(sql.RECOVER, {**columns_of(sql.RECOVERY, recoveries), "now": self._time})
        swept: list[Swept] = []
        for (_, job_id, type_, worker, *_, lane), recovery in zip(orphans, recoveries, strict=True):
            self._count(lane, State.PROCESSING, recovery[2])
            swept.append(Swept(job_id, type_, worker, recovery[2], recovery[-1]))
        return swept

    def _recovery(self, orphan: tuple[Any, ...], why: str) -> tuple[Any, ...]:
        seq, _, _, _, token, requested, reason, actor, crashes, retention, _ = orphan
        done = decide_rescue(
            requested=requested,
            requested_reason=reason,
            requested_by=actor,
            crashes=crashes,
            retention=retention,
            why=why,
            default=self._retention,
            now=self._time,
        )
        ends = (done.finished_at, done.expires_at)
        return (seq, token, done.target, done.reason, done.actor, *ends, done.crashes)

    def expire(self, limit: int) -> int:
        now = self._time
        ripe = [seq for (seq,) in self._db.execute(sql.EXPIRED, (now, limit))]
        removed = self._remove(ripe) if ripe else 0
        self._db.execute(sql.EXPIRE_EVENTS, (now - KEEP_EVENTS, 10 * limit))
        self._db.execute(sql.EXPIRE_BUCKETS, (now // 1_000_000 - KEEP_BUCKETS,))
        self._db.execute(EXPIRE_OUTCOMES, (now // 1_000_000 - KEEP_OUTCOMES,))
        return removed

    def aggregate_events(self, limit: int) -> int:
        row = self._db.execute(sql.ROLLED_UP).fetchone()
        assert row is not None  # written by the first migration
        since, horizon = row
        until = min(horizon, since + limit)
        if until > since:
            self._db.execute(sql.ROLL_UP, {"since": since, "until": until})
            self._db.execute(COUNT_OUTCOMES, {"since": since, "until": until})
        self._db.execute(sql.FOLD_COUNTS)
        return max(0, until - since)

    # -- workers and types ------------------------------------------------------------------------------------------------

    def register_worker(self, worker: WorkerRow, *, lease: float) -> None:
        now = self._time
        names = (json.dumps(list(worker.queues)), json.dumps(list(worker.types)))
        label = (worker.id, worker.name, worker.host, worker.pid, worker.version)
        self._db.execute(sql.REGISTER, (*label, *names, worker.slots, now, now, now + int(lease * 1_000_000)))
        self._db.execute(sql.WORKER_EVENT, (now, worker.id, "started"))

    def heartbeat(self, workers: Sequence[str], *, lease: float) -> set[str]:
        asked = (self._time, self._time + int(lease * 1_000_000), list(workers))
        return {worker for (worker,) in self._db.execute(sql.BEAT, asked)}

    def drain_worker(self, worker: str) -> None:
        if self._db.execute(sql.DRAIN, (worker,)).fetchone():
            self._db.execute(sql.WORKER_EVENT, (self._time, worker, "draining"))

    def retire_worker(self, worker: str) -> None:
        self._db.execute(sql.RETIRE, (worker,))
        self._db.execute(sql.WORKER_EVENT, (self._time, worker, "stopped"))

    def publish_types(self, types: Sequence[TypeRow]) -> None:
        for t in sorted(types, key=lambda row: row.name):  # in one order, whoever else publishes them now
            self._db.execute(sql.PUBLISH, (*t, self._time))
