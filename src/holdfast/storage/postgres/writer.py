"""Inserts, claims, reports and settles, each for a whole batch."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from holdfast.core.job import Claimed, ClaimRequest, Inserted, NewJob
from holdfast.core.outcome import Report, Settlement, answer_request
from holdfast.core.retention import Retention, expires_at, format_retention
from holdfast.core.sizes import HISTORY_CLAIMS, MAX_LOG_LINES
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, State, Verb
from holdfast.storage.errors import Contended
from holdfast.storage.postgres import statements as sql
from holdfast.storage.postgres.arrays import columns_of, numbers, texts
from holdfast.storage.postgres.claim_cursor import Floors
from holdfast.storage.postgres.transaction import Lane, Transactions, keys_not_waited_for
from holdfast.storage.verbs.attempts import LOST

MAX_TRIES: Final = 3
"""So often a unique key that is free when one looks, and taken when one stores, is tried again; and so often a claim looks
further when others have taken what it saw."""


class JobVerbs:
    """The verbs that a job meets on its way. Not thread-safe: the gateway sees to that."""

    def __init__(self, tx: Transactions, retention: Retention) -> None:
        self._tx = tx
        self._retention = retention
        self.floors = Floors(self._pages_to_head)

    def unlocked(self, seqs: Sequence[int]) -> set[int]:
        return {seq for (seq,) in self._tx.db.execute(sql.UNLOCKED, (numbers(seqs),))}

    # -- coming -----------------------------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        if not any(job.unique_key or job.idempotency_key for job in jobs):
            return self._insert_all(jobs)
        with keys_not_waited_for():
            return self._insert_with_keys(jobs)

    def _insert_with_keys(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        if all(job.unique_key is None for job in jobs):
            return self._insert_all(jobs)
        self._tx.lane_ids(lane_of(job) for job in jobs)  # a savepoint must not undo them
        try:
            with self._tx.db.transaction():
                return self._insert_all(jobs)
        except psycopg.errors.UniqueViolation:
            return [self._insert_one(job) for job in jobs]

    def _insert_all(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        fresh: dict[str, NewJob] = {}
        for job in jobs:
            fresh.setdefault(job.id, job)
        created = self._store(list(fresh.values()))
        if len(created) == len(jobs):
            return [Inserted(job.id, True) for job in jobs]
        answers: list[Inserted] = []
        for job in jobs:
            if job.id in created:
                created.remove(job.id)
                answers.append(Inserted(job.id, True))
            else:
                answers.append(self._insert_one(job))
        return answers

    def _insert_one(self, job: NewJob) -> Inserted:
        """The careful way: look who is there, and store otherwise."""
        keys = {"id": job.id, "idempotency_key": job.idempotency_key, "lock_key": lock_key(job)}
        for _ in range(MAX_TRIES):
            there = self._tx.db.execute(sql.FIND_SAME, keys).fetchone()
            if there is not None:
                return Inserted(there[0], False)
            try:
                with self._tx.db.transaction():
                    if self._store([job]):
                        return Inserted(job.id, True)
            except psycopg.errors.UniqueViolation:
                continue
        raise Contended(
            "The key of this job was taken and set free all the time. Nothing was stored; repeat it."
        )

    def _store(self, jobs: Sequence[NewJob]) -> set[str]:
        """Store the jobs whose id and idempotency key are not there; answers their ids."""
        if not jobs:
            return set()
        lanes = self._tx.lane_ids(lane_of(job) for job in jobs)
        known = [_row(job, lanes[lane_of(job)], self._tx.time) for job in jobs]
        specs = columns_of(sql.SPEC, [tuple(row[name] for name in sql.SPEC) for row in known])
        created = dict(self._tx.db.execute(sql.INSERT_SPECS, {**specs, "now": self._tx.time}).fetchall())
        new: list[dict[str, Any]] = [
            {**row, "seq": created[row["id"]]} for row in known if row["id"] in created
        ]
        if new:
            runs = columns_of(sql.RUN, [tuple(row[name] for name in sql.RUN) for row in new])
            self._tx.db.execute(sql.INSERT_RUNS, {**runs, "now": self._tx.time})
        for row in new:
            self._tx.count(row["lane"], None, row["state"])
        if any(job.tags for job in jobs):
            self._tx.db.execute(sql.TAG, (texts(created),))
        return set(created)

    # -- running ----------------------------------------------------------------------------------------------------------

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        look = Look(request, self.floors.begin(), self._tx.time)
        claimed: list[Claimed] = []
        began = time.perf_counter()
        for _ in range(MAX_TRIES):
            claimed += look.read(self._tx.db.execute(sql.CLAIM, look.parameters(len(claimed))).fetchall())
            if not look.further(len(claimed)):
                break
        self.floors.learn(look.floors, look.heads, time.perf_counter() - began)
        return in_order(claimed)

    def _pages_to_head(self, lane: int) -> int:
        row = self._tx.db.execute(sql.LOOK_AT_HEAD, (lane,)).fetchone()
        plan: dict[str, int] = row[0][0]["Plan"] if row else {}
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        # a second settlement of the same attempt is a repeat: LOST
        first: dict[tuple[int, int], Settlement] = {}
        for s in settlements:
            first.setdefault((s.seq, s.token), s)
        done = self._succeed([s for s in first.values() if s.verb is Verb.SUCCEED and s.report is None])
        rest = [s for key, s in first.items() if key not in done]
        if rest:
            done |= self._end(rest)
        if len(done) == len(settlements):
            return [done[s.seq, s.token] for s in settlements]
        return [done.pop((s.seq, s.token), LOST) for s in settlements]

    def _succeed(self, settlements: Sequence[Settlement]) -> dict[tuple[int, int], str]:
        """What ended well, without a last word, and without a request, in one statement."""
        if not settlements:
            return {}
        rows = succeeding(settlements, self._tx.time)
        return dict.fromkeys(self._tx.db.execute(sql.SUCCEED, rows), State.SUCCEEDED)

    def _end(self, settlements: Sequence[Settlement]) -> dict[tuple[int, int], str]:
        """Every other end: what is held is locked, then requests are honoured, then all is written at once."""
        keys = {
            "seq": numbers(s.seq for s in settlements),
            "token": numbers(s.token for s in settlements),
        }
        held = {(row[0], row[1]): row[2:] for row in self._tx.db.execute(sql.HELD, keys)}
        mine = [s for s in settlements if (s.seq, s.token) in held]
        self.report([s.report for s in mine if s.report is not None])
        endings = [self._ending(s, held[s.seq, s.token]) for s in mine]
        if not endings:
            return {}
        arrays = columns_of(sql.ENDING, endings)
        done: dict[tuple[int, int], str] = {}
        for seq, token, state, lane in self._tx.db.execute(sql.SETTLE, {**arrays, "now": self._tx.time}):
            done[seq, token] = state
            self._tx.count(lane, State.PROCESSING, state)
        if long := [seq for seq, token in done if token % HISTORY_CLAIMS == 0]:
            self._tx.db.execute(sql.FORGET_HISTORY, (long,))
        return done

    def _ending(self, settlement: Settlement, held: tuple[Any, ...]) -> tuple[Any, ...]:
        requested, reason, actor, retention, _ = held
        now = self._tx.time
        # an attempt that has failed counts, whatever is done with the job now
        burns = TRANSITIONS[settlement.verb].counts_attempt
        if requested is not None:
            keep = expires_at(State.CANCELLED, retention, self._retention, self._tx.time)
            settlement = answer_request(settlement, Request(requested), reason, actor, keep)
        s, error = settlement, settlement.error
        ended = now if s.target in FINAL_STATES else None
        return (
            *(s.seq, s.token, s.target, s.reason, s.actor, s.run_at, s.result),
            *((None, None, None) if error is None else (error.type, error.message, error.traceback)),
            *(ended, s.keep if ended else None, not burns, requested, int(s.crashed)),
        )

    # -- saying -----------------------------------------------------------------------------------------------------------

    def report(self, reports: Sequence[Report]) -> list[str]:
        answers = [LOST] * len(reports)
        waiting = list(enumerate(reports))
        while waiting:  # reports of one job are written one after the other
            together: dict[int, int] = {}
            later: list[tuple[int, Report]] = []
            for place, report in waiting:
                if report.seq in together:
                    later.append((place, report))
                else:
                    together[report.seq] = place
            written = self._report([reports[place] for place in together.values()])
            for place, answer in zip(together.values(), written, strict=True):
                answers[place] = answer
            waiting = later
        return answers

    def _report(self, reports: Sequence[Report]) -> list[str]:
        rows = [(r.seq, r.token, r.progress, r.saved is not None, len(r.logs)) for r in reports]
        arrays = columns_of(sql.REPORTED, rows)
        taken = {row[0]: row[1:] for row in self._tx.db.execute(sql.REPORT, {**arrays, "now": self._tx.time})}
        mine = [r for r in reports if r.seq in taken]
        saves = [(r.seq, r.saved) for r in mine if r.saved is not None]
        if saves:
            self._tx.db.execute(sql.SAVE, {**columns_of(sql.SAVING, saves), "now": self._tx.time})
        lines: list[tuple[Any, ...]] = []
        for r in mine:
            _, counted, attempt = taken[r.seq]
            room = max(0, MAX_LOG_LINES - (counted - len(r.logs)))
            lines += [(r.seq, x.at, x.level, x.message, x.fields, attempt) for x in r.logs[:room]]
        if lines:
            self._tx.db.execute(sql.LOG, {**columns_of(sql.LOGGING, lines), "now": self._tx.time})
        return [taken[r.seq][0] if r.seq in taken else LOST for r in reports]


class Look:
    """One claim: what is asked, and how far one has to look. A look sees so many of the oldest jobs that may be taken, and
    passes those that others are taking at this moment."""

    def __init__(self, request: ClaimRequest, floors: dict[int, int], now: int) -> None:
        self.floors = floors
        self.heads: dict[int, int] = {}
        """The first job that was claimed of each lane."""
        self._limit = request.limit
        self._most = 2 * request.limit
        self._seen = 0
        self._asked: dict[str, Any] = {
            "worker": request.worker,
            "types": texts(request.types),
            "queues": texts(request.queues),
            "floor_lanes": numbers(floors),
            "floors": numbers(floors.values()),
            "now": now,
        }

    def parameters(self, claimed: int) -> dict[str, Any]:
        """Those of `sql.CLAIM`, when so many have been claimed already."""
        return self._asked | {"limit": self._limit - claimed, "most": self._most}

    def read(self, rows: Sequence[tuple[Any, ...]]) -> list[Claimed]:
        """What the statement has answered."""
        self._seen = rows[0][0]
        claimed: list[Claimed] = []
        for _, lane, seq, *rest in rows:
            if seq is not None:
                claimed.append(Claimed(seq, *rest))
                self.heads[lane] = min(self.heads.get(lane, seq), seq)
        return claimed

    def further(self, claimed: int) -> bool:
        """Whether to look once more, and further: there were fewer than asked and more to see, so others have taken it
        before us."""
        if claimed == self._limit or self._seen < self._most:
            return False
        self._most *= 8
        return True


def in_order(claimed: Sequence[Claimed]) -> list[Claimed]:
    """As they are to be started."""
    return sorted(claimed, key=lambda job: (-job.priority, job.seq))


def succeeding(settlements: Sequence[Settlement], now: int) -> dict[str, Any]:
    """The parameters of `sql.SUCCEED` for what ended well; at least one."""
    seqs, tokens, results, keeps = zip(
        *((s.seq, s.token, s.result, s.keep) for s in settlements), strict=True
    )
    return {
        "seq": numbers(seqs),
        "token": numbers(tokens),
        "result": texts(results),
        "keep": numbers(keeps),
        "now": now,
    }


def _row(job: NewJob, lane: int, now: int) -> dict[str, Any]:
    """The columns of a new job."""
    state, run_at = job.first_state(now)
    return {
        "id": job.id,
        "type": job.type,
        "queue": job.queue,
        "priority": job.priority,
        "args": job.args,
        "owner": job.owner,
        "tags": tags_of(job),
        "timeout": job.timeout,
        "unique_key": job.unique_key,
        "idempotency_key": job.idempotency_key,
        "retention": format_retention(job.retention),
        "origin": job.origin,
        "lane": lane,
        "state": state,
        "actor": job.actor,
        "max_attempts": job.max_attempts,
        "run_at": run_at,
        "lock_key": lock_key(job),
    }


def tags_of(job: NewJob) -> str | None:
    """The tags of a job as they are stored."""
    return json.dumps(list(dict.fromkeys(job.tags)), ensure_ascii=False) if job.tags else None


def lane_of(job: NewJob) -> Lane:
    """The lane that a job is handed out from."""
    return job.queue, job.type, job.priority


def lock_key(job: NewJob) -> str | None:
    """What no other live job may have, None for a job without a unique key."""
    return None if job.unique_key is None else json.dumps([job.type, job.unique_key], ensure_ascii=False)
