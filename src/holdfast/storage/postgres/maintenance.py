"""Promotes, rescues, expires and aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.core.records import Swept
from holdfast.core.rescue import decide_rescue
from holdfast.core.retention import KEEP_BUCKETS, KEEP_EVENTS, KEEP_LOST_WORKERS, KEEP_OUTCOMES, Retention
from holdfast.core.states import DIED, LEASE_EXPIRED, State
from holdfast.storage.postgres import maintenance_statements as sql
from holdfast.storage.postgres.arrays import columns_of
from holdfast.storage.postgres.command import remove_jobs
from holdfast.storage.postgres.transaction import Transactions


class MaintenanceVerbs:
    """`MaintenanceWrites` but for `prove`."""

    def __init__(self, tx: Transactions, retention: Retention) -> None:
        self._tx = tx
        self._retention = retention

    def promote(self, limit: int) -> tuple[int, int | None]:
        promoted = self._tx.db.execute(sql.PROMOTE, {"now": self._tx.time, "limit": limit}).fetchall()
        for (lane,) in promoted:
            self._tx.count(lane, State.SCHEDULED, State.ENQUEUED)
        due = self._tx.db.execute(sql.NEXT_DUE).fetchone()
        return len(promoted), due[0] if due else None

    def rescue(self, dead: Sequence[str] = (), *, why: str = DIED) -> list[Swept]:
        asked = {"dead": list(dead), "now": self._tx.time}
        self._tx.db.execute(sql.LOSE_NAMED if dead else sql.LOSE_EXPIRED, asked)
        self._tx.db.execute(sql.FORGET_WORKERS, (self._tx.time - KEEP_LOST_WORKERS,))
        orphans = self._tx.db.execute(sql.ORPHANS, asked).fetchall()
        if not orphans:
            return []
        recoveries = [self._recovery(row, why if row[3] in dead else LEASE_EXPIRED) for row in orphans]
        self._tx.db.execute(sql.RECOVER, {**columns_of(sql.RECOVERY, recoveries), "now": self._tx.time})
        swept: list[Swept] = []
        for (_, job_id, type_, worker, *_, lane), recovery in zip(orphans, recoveries, strict=True):
            self._tx.count(lane, State.PROCESSING, recovery[2])
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
            now=self._tx.time,
        )
        ends = (done.finished_at, done.expires_at)
        return (seq, token, done.target, done.reason, done.actor, *ends, done.crashes)

    def expire(self, limit: int) -> int:
        now = self._tx.time
        ripe = [seq for (seq,) in self._tx.db.execute(sql.EXPIRED, (now, limit))]
        removed = remove_jobs(self._tx, ripe) if ripe else 0
        self._tx.db.execute(sql.EXPIRE_EVENTS, (now - KEEP_EVENTS, 10 * limit))
        self._tx.db.execute(sql.EXPIRE_BUCKETS, (now // 1_000_000 - KEEP_BUCKETS,))
        self._tx.db.execute(sql.EXPIRE_OUTCOMES, (now // 1_000_000 - KEEP_OUTCOMES,))
        return removed

    def aggregate_events(self, limit: int) -> int:
        row = self._tx.db.execute(sql.ROLLED_UP).fetchone()
        assert row is not None  # written by the first migration
        since, horizon = row
        until = min(horizon, since + limit)
        if until > since:
            self._tx.db.execute(sql.ROLL_UP, {"since": since, "until": until})
            self._tx.db.execute(sql.COUNT_OUTCOMES, {"since": since, "until": until})
        self._tx.db.execute(sql.FOLD_COUNTS)
        return max(0, until - since)
