"""This exists so that what happens by the clock is done in portions, of which several schedulers take each their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from holdfast.core.job import SUSPECT
from holdfast.core.records import Swept
from holdfast.core.states import DIED, FINAL, LEASE_EXPIRED, TRANSITIONS, Request, State, Verb
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.connection import Row
from holdfast.storage.mysql.insight import COUNT_OUTCOMES, EXPIRE_OUTCOMES
from holdfast.storage.mysql.people import PeopleVerbs
from holdfast.storage.mysql.session import WORKER
from holdfast.storage.mysql.text import Changes, listed
from holdfast.storage.verbs.maintenance import OUTCOMES_STAY

LOST_WORKERS_STAY: Final = 86_400_000_000
EVENTS_STAY: Final = 600_000_000
BUCKETS_STAY: Final = 8 * 86_400


class UpkeepVerbs(PeopleVerbs):
    """`prove`, `promote`, `sweep`, `expire` and `roll_up`, a part of `MysqlWriter`."""

    def prove(self) -> None:
        self._write(sql.PROVE, self._now())

    def promote(self, limit: int) -> tuple[int, int | None]:
        now = self._now()
        entries = self._run(sql.LOCK_DUE, now, limit)
        promoted = self._promote(entries, now) if entries else 0
        return promoted, self._run(sql.NEXT_DUE)[0][0]

    def _promote(self, entries: Sequence[Row], now: int) -> int:
        rows = self._run(sql.LOCK_SCHEDULED.format(seqs=listed([seq for _, seq in entries])))
        if not rows:
            return 0
        seqs = listed([row[0] for row in rows])
        times = [row[7] for row in rows]
        self._write(sql.LEAVE_DUE.format(low=min(times), high=max(times), seqs=seqs))
        self._write(sql.PROMOTE.format(now=now, seqs=seqs))
        self._make_ready([(queue, type_, priority, seq) for seq, type_, queue, priority, *_ in rows])
        for seq, type_, queue, _, reason, attempt, worker, _, since in rows:
            about = (State.ENQUEUED, State.SCHEDULED, reason, None, attempt, worker)
            self._tell_move((queue, type_), max(now, since), seq, *about)
        return len(rows)

    def rescue(self, dead: Sequence[str] = (), *, why: str = DIED) -> list[Swept]:
        now, named = self._now(), listed(list(dead))
        # one that somebody has locked is left to the next sweep, unless it is named
        waiting = "" if dead else sql.SKIPPING
        dying = [str(one) for (one,) in self._run(sql.DYING.format(dead=named, now=now, waiting=waiting))]
        if dying:
            self._write(sql.LOSE_WORKERS.format(now=now, dead=listed(dying)))
            for worker in dying:
                self._tell(WORKER, now, worker=worker, reason="lost")
        if forgotten := [str(one) for (one,) in self._run(sql.LONG_LOST, now - LOST_WORKERS_STAY)]:
            self._write(sql.FORGET_WORKERS.format(ids=listed(forgotten)))
        nobody = named if dead else "('')"  # NOT IN (NULL) would be true for no worker at all
        orphans = [seq for (seq,) in self._run(sql.ORPHANS.format(dead=nobody, now=now))]
        if not orphans:
            return []
        locked = self._run(sql.LOCK_ORPHANS.format(seqs=listed(orphans), dead=nobody, now=now))
        causes = {row[0]: why if row[5] in dead else LEASE_EXPIRED for row in locked}
        return self._recover(locked, now, causes) if locked else []

    def _recover(self, rows: Sequence[Row], now: int, causes: Mapping[int, str]) -> list[Swept]:
        change = Changes([row[0] for row in rows])
        verbs: dict[int, Verb] = {}
        reasons: dict[int, str | None] = {}
        actors: dict[int, str | None] = {}
        ends: dict[int, int | None] = {}
        expiries: dict[int, int | None] = {}
        crashes: dict[int, int | None] = {}
        at = {row[0]: max(now, row[-1]) for row in rows}
        for seq, *_, requested, why, who, crashed, retention, _, _, _ in rows:
            verb = {Request.CANCEL: Verb.STOP, Request.PAUSE: Verb.SUSPEND}.get(requested, Verb.RESCUE)
            target = TRANSITIONS[verb].target
            verbs[seq] = verb
            default = {Verb.STOP: "cancelled", Verb.SUSPEND: "paused"}.get(verb, causes[seq])
            reasons[seq] = (why or default) if requested else default
            actors[seq] = who if requested else None
            ends[seq] = at[seq] if target in FINAL else None
            expiries[seq] = self._keep(target, retention, now) if target in FINAL else None
            crashes[seq] = max(crashed, min(crashed + 1, SUSPECT))
        targets = {seq: TRANSITIONS[verb].target for seq, verb in verbs.items()}
        change.put("state", targets)
        change.put("reason", reasons)
        change.put("actor", actors)
        change.put("changed_at", at)
        change.put("finished_at", ends)
        change.put("expires_at", expiries)
        change.put("crashes", crashes)
        change.put("continues", {seq: int(not TRANSITIONS[verb].burns) for seq, verb in verbs.items()})
        change.write("requested = NULL, requested_at = NULL, requested_by = NULL, requested_reason = NULL")
        self._write(change.statement(sql.HOLDS))
        swept: list[Swept] = []
        for seq, job_id, type_, queue, priority, worker, *_, attempt, unique_key, _ in rows:
            target = targets[seq]
            about = (State.PROCESSING, reasons[seq], actors[seq], attempt, worker)
            self._tell_move((queue, type_), at[seq], seq, target, *about)
            swept.append(Swept(job_id, type_, worker, target, crashes[seq] or 0))
            if target is State.ENQUEUED:
                self._make_ready([(queue, type_, priority, seq)])
            elif target in FINAL and unique_key is not None:
                self._write(sql.FREE_UNIQUE, type_, unique_key, job_id)
        self._note_times(sql.INSERT_EXPIRY, [(at, seq) for seq, at in expiries.items()])
        return swept

    def expire(self, limit: int) -> int:
        now = self._now()
        entries = self._run(sql.LOCK_EXPIRED, now, limit)
        removed = self._expire(entries, now) if entries else 0
        self._expire_events(now - EVENTS_STAY, 10 * limit)
        self._write(sql.EXPIRE_BUCKETS, now // 1_000_000 - BUCKETS_STAY)
        self._write(EXPIRE_OUTCOMES, now // 1_000_000 - OUTCOMES_STAY)
        return removed

    def _expire(self, entries: Sequence[Row], now: int) -> int:
        rows = self._run(sql.LOCK_ENDED.format(seqs=listed([seq for _, seq in entries])))
        if not rows:
            return 0
        times = [row[6] for row in rows]
        seqs = listed([row[0] for row in rows])
        self._write(sql.LEAVE_EXPIRY.format(low=min(times), high=max(times), seqs=seqs))
        self._remove([(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows], now)
        return len(rows)

    def _expire_events(self, before: int, limit: int) -> None:
        """Remove what is no history, from the oldest on; each event is looked at once, and the mark moves over it."""
        [(oldest,)] = self._run(sql.META, "oldest_event")
        passed: list[Row] = []
        for row in self._run(sql.PASSED, oldest, limit):
            if row[1] >= before:
                break
            passed.append(row)
        if not passed:
            return
        if forgotten := [seq for seq, _, kind in passed if kind >= 2]:
            self._write(sql.FORGET_EVENTS.format(seqs=listed(forgotten)))
        self._write(sql.SET_META, passed[-1][0] + 1, "oldest_event")

    def aggregate_events(self, limit: int) -> int:
        [(since,)] = self._run(sql.META, "rolled_up")
        [(newest,)] = self._run(sql.NEWEST)
        until = min(int(newest), int(since) + limit)
        if until > since:
            self._write(sql.ROLL_UP, since, until)
            self._write(COUNT_OUTCOMES, since, until)
            self._write(sql.SET_META, until, "rolled_up")
        return int(max(0, until - since))
