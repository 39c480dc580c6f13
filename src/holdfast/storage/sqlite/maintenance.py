"""Promotes, rescues, expires and aggregates."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from holdfast.core.records import Swept
from holdfast.core.rescue import decide_rescue
from holdfast.core.retention import KEEP_BUCKETS, KEEP_EVENTS, KEEP_LOST_WORKERS, KEEP_OUTCOMES, Retention
from holdfast.core.states import DIED, LEASE_EXPIRED
from holdfast.storage.sqlite import statements as sql
from holdfast.storage.sqlite.boot_clock import BootLeases
from holdfast.storage.sqlite.counts import count_until
from holdfast.storage.sqlite.writer import SqliteWriter


class MaintenanceVerbs:
    """`MaintenanceWrites` but for `prove`."""

    def __init__(
        self, writer: SqliteWriter, retention: Retention, clock: Callable[[], int], leases: BootLeases
    ) -> None:
        self._writer = writer
        self._retention = retention
        self._clock = clock
        self._leases = leases

    def promote(self, limit: int) -> tuple[int, int | None]:
        promoted = len(self._writer.db.execute(sql.PROMOTE, (self._clock(), limit)).fetchall())
        return promoted, next(self._writer.db.execute(sql.NEXT_DUE))[0]

    def rescue(self, dead: Sequence[str] = (), *, why: str = DIED) -> list[Swept]:
        now, valid, named = self._clock(), self._leases.now(), json.dumps(list(dead))
        for (worker,) in self._writer.db.execute(sql.LOSE_WORKERS, (named, *valid, now)).fetchall():
            self._writer.db.execute(sql.WORKER_EVENT, (now, worker, "lost"))
        self._writer.db.execute(sql.FORGET_WORKERS, (now - KEEP_LOST_WORKERS,))
        orphans = self._writer.db.execute(sql.ORPHANS, (named, *valid)).fetchall()
        return [self._rescue(row, now, why if row[3] in dead else LEASE_EXPIRED) for row in orphans]

    def _rescue(self, row: tuple[Any, ...], now: int, why: str) -> Swept:
        seq, job_id, type_, worker, token, requested, reason, actor, crashes, retention = row
        done = decide_rescue(
            requested=requested,
            requested_reason=reason,
            requested_by=actor,
            crashes=crashes,
            retention=retention,
            why=why,
            default=self._retention,
            now=now,
        )
        written = (done.target, done.reason, done.actor, now, done.finished_at, done.expires_at, done.crashes)
        self._writer.db.execute(sql.RECOVER, (seq, token, *written, int(done.continues)))
        return Swept(job_id, type_, worker, done.target, done.crashes)

    def expire(self, limit: int) -> int:
        now = self._clock()
        removed = len(self._writer.db.execute(sql.EXPIRE, (now, limit)).fetchall())
        self._writer.db.execute(sql.EXPIRE_EVENTS, (now - KEEP_EVENTS, 10 * limit))
        self._writer.db.execute(sql.EXPIRE_BUCKETS, (now // 1_000_000 - KEEP_BUCKETS,))
        self._writer.db.execute(sql.EXPIRE_OUTCOMES, (now // 1_000_000 - KEEP_OUTCOMES,))
        return removed

    def aggregate_events(self, limit: int) -> int:
        since = next(self._writer.db.execute(sql.ROLLED_UP))[0]
        until = min(
            since + limit, next(self._writer.db.execute("SELECT coalesce(max(seq), 0) FROM events"))[0]
        )
        if until > since:
            self._writer.db.execute(sql.ROLL_UP, (since, until))
            self._writer.db.execute(sql.COUNT_OUTCOMES, (since, until))
            count_until(self._writer.db, until)
            self._writer.db.execute(sql.MARK_ROLLED_UP, (str(until),))
        return max(0, until - since)
