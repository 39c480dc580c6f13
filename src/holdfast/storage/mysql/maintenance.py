"""Promotes, rescues, expires and aggregates, in batches that several schedulers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.core.records import Swept
from holdfast.core.rescue import decide_rescue
from holdfast.core.retention import KEEP_BUCKETS, KEEP_EVENTS, KEEP_LOST_WORKERS, KEEP_OUTCOMES, Retention
from holdfast.core.states import DIED, FINAL_STATES, LEASE_EXPIRED, State
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.command import Removed, remove_jobs
from holdfast.storage.mysql.connection import Row
from holdfast.storage.mysql.literals import Changes, listed
from holdfast.storage.mysql.transaction import WORKER, WritingSession


class MaintenanceVerbs:
    """`MaintenanceWrites` but for `prove`."""

    def __init__(self, tx: WritingSession, retention: Retention) -> None:
        self._tx = tx
        self._retention = retention

    def promote(self, limit: int) -> tuple[int, int | None]:
        now = self._tx.now()
        entries = self._tx.run(sql.LOCK_DUE, now, limit)
        promoted = self._promote(entries, now) if entries else 0
        return promoted, self._tx.run(sql.NEXT_DUE)[0][0]

    def _promote(self, entries: Sequence[Row], now: int) -> int:
        rows = self._tx.run(sql.LOCK_SCHEDULED.format(seqs=listed([seq for _, seq in entries])))
        if not rows:
            return 0
        seqs = listed([row[0] for row in rows])
        times = [row[7] for row in rows]
        self._tx.write(sql.LEAVE_DUE.format(low=min(times), high=max(times), seqs=seqs))
        self._tx.write(sql.PROMOTE.format(now=now, seqs=seqs))
        self._tx.make_ready([(queue, type_, priority, seq) for seq, type_, queue, priority, *_ in rows])
        for seq, type_, queue, _, reason, attempt, worker, _, since in rows:
            about = (State.ENQUEUED, State.SCHEDULED, reason, None, attempt, worker)
            self._tx.tell_move((queue, type_), max(now, since), seq, *about)
        return len(rows)

    def rescue(self, dead: Sequence[str] = (), *, why: str = DIED) -> list[Swept]:
        now, named = self._tx.now(), listed(list(dead))
        # one that somebody has locked is left to the next sweep, unless it is named
        waiting = "" if dead else sql.SKIPPING
        dying = [str(one) for (one,) in self._tx.run(sql.DYING.format(dead=named, now=now, waiting=waiting))]
        if dying:
            self._tx.write(sql.LOSE_WORKERS.format(now=now, dead=listed(dying)))
            for worker in dying:
                self._tx.tell(WORKER, now, worker=worker, reason="lost")
        if forgotten := [str(one) for (one,) in self._tx.run(sql.LONG_LOST, now - KEEP_LOST_WORKERS)]:
            self._tx.write(sql.FORGET_WORKERS.format(ids=listed(forgotten)))
        named = named if dead else "('')"  # NOT IN (NULL) would be true for no worker at all
        orphans = [seq for (seq,) in self._tx.run(sql.ORPHANS.format(dead=named, now=now))]
        if not orphans:
            return []
        locked = self._tx.run(sql.LOCK_ORPHANS.format(seqs=listed(orphans), dead=named, now=now))
        causes = {row[0]: why if row[5] in dead else LEASE_EXPIRED for row in locked}
        return self._rescue(locked, now, causes) if locked else []

    def _rescue(self, rows: Sequence[Row], now: int, causes: Mapping[int, str]) -> list[Swept]:
        at = {row[0]: max(now, row[-1]) for row in rows}
        rescues = {
            seq: decide_rescue(
                requested=requested,
                requested_reason=reason,
                requested_by=actor,
                crashes=crashes,
                retention=retention,
                why=causes[seq],
                default=self._retention,
                now=at[seq],
            )
            for seq, *_, requested, reason, actor, crashes, retention, _, _, _ in rows
        }
        change = Changes(list(rescues))
        change.put("state", {seq: done.target for seq, done in rescues.items()})
        change.put("reason", {seq: done.reason for seq, done in rescues.items()})
        change.put("actor", {seq: done.actor for seq, done in rescues.items()})
        change.put("changed_at", at)
        change.put("finished_at", {seq: done.finished_at for seq, done in rescues.items()})
        change.put("expires_at", {seq: done.expires_at for seq, done in rescues.items()})
        change.put("crashes", {seq: done.crashes for seq, done in rescues.items()})
        change.put("continues", {seq: int(done.continues) for seq, done in rescues.items()})
        change.write("requested = NULL, requested_at = NULL, requested_by = NULL, requested_reason = NULL")
        self._tx.write(change.statement(sql.HOLDS))
        swept: list[Swept] = []
        for seq, job_id, type_, queue, priority, worker, *_, attempt, unique_key, _ in rows:
            done = rescues[seq]
            about = (State.PROCESSING, done.reason, done.actor, attempt, worker)
            self._tx.tell_move((queue, type_), at[seq], seq, done.target, *about)
            swept.append(Swept(job_id, type_, worker, done.target, done.crashes))
            if done.target is State.ENQUEUED:
                self._tx.make_ready([(queue, type_, priority, seq)])
            elif done.target in FINAL_STATES and unique_key is not None:
                self._tx.write(sql.FREE_UNIQUE, type_, unique_key, job_id)
        self._tx.note_times(sql.INSERT_EXPIRY, [(done.expires_at, seq) for seq, done in rescues.items()])
        return swept

    def expire(self, limit: int) -> int:
        now = self._tx.now()
        entries = self._tx.run(sql.LOCK_EXPIRED, now, limit)
        removed = self._expire(entries, now) if entries else 0
        self._expire_events(now - KEEP_EVENTS, 10 * limit)
        self._tx.write(sql.EXPIRE_BUCKETS, now // 1_000_000 - KEEP_BUCKETS)
        self._tx.write(sql.EXPIRE_OUTCOMES, now // 1_000_000 - KEEP_OUTCOMES)
        return removed

    def _expire(self, entries: Sequence[Row], now: int) -> int:
        rows = self._tx.run(sql.LOCK_ENDED.format(seqs=listed([seq for _, seq in entries])))
        if not rows:
            return 0
        times = [row[6] for row in rows]
        seqs = listed([row[0] for row in rows])
        self._tx.write(sql.LEAVE_EXPIRY.format(low=min(times), high=max(times), seqs=seqs))
        remove_jobs(self._tx, [Removed._make(row[:6]) for row in rows])
        return len(rows)

    def _expire_events(self, before: int, limit: int) -> None:
        """Remove what is no history, from the oldest on; each event is looked at once, and the mark moves over it."""
        [(oldest,)] = self._tx.run(sql.META, "oldest_event")
        passed: list[Row] = []
        for row in self._tx.run(sql.PASSED, oldest, limit):
            if row[1] >= before:
                break
            passed.append(row)
        if not passed:
            return
        if forgotten := [seq for seq, _, kind in passed if kind >= 2]:
            self._tx.write(sql.FORGET_EVENTS.format(seqs=listed(forgotten)))
        self._tx.write(sql.SET_META, passed[-1][0] + 1, "oldest_event")

    def aggregate_events(self, limit: int) -> int:
        [(since,)] = self._tx.run(sql.META, "rolled_up")
        [(newest,)] = self._tx.run(sql.NEWEST)
        until = min(int(newest), int(since) + limit)
        if until > since:
            self._tx.write(sql.ROLL_UP, since, until)
            self._tx.write(sql.COUNT_OUTCOMES, since, until)
            self._tx.write(sql.SET_META, until, "rolled_up")
        return int(max(0, until - since))
