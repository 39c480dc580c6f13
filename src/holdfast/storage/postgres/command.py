"""What people ask of jobs, on PostgreSQL: rows locked, decisions by the table, one guarded statement for all that change
alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import psycopg

from holdfast.core.commands import (
    GONE,
    KEY_HELD,
    Action,
    ChangeState,
    Delete,
    Facts,
    Reject,
    SetRequest,
    check_refusal,
    decide_each,
)
from holdfast.core.records import JobRecord
from holdfast.core.retention import expires_at
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, State, Verb
from holdfast.storage.postgres import command_statements as sql
from holdfast.storage.postgres.arrays import texts
from holdfast.storage.postgres.statements import FORGET_HISTORY
from holdfast.storage.postgres.transaction import keys_not_waited_for
from holdfast.storage.postgres.writer import JobVerbs, columns_of

UNSENDABLE: Final = (psycopg.DataError, UnicodeEncodeError)
"""An id with NUL, or with half a character: no job has it, and nothing was sent."""


class Found(NamedTuple):
    """A job whose row is locked until the end of the transaction."""

    seq: int
    id: str
    state: str
    requested: str | None
    run_at: int | None
    retention: str | None
    lane: int
    has_key: bool
    long: bool
    """Whether its history has grown over what is kept."""


class Asked(NamedTuple):
    """Who asks, and why."""

    actor: str | None
    reason: str | None


class CommandVerbs(JobVerbs):
    """`command` and `command_all`."""

    def command(
        self, job_id: str, action: Action, *, actor: str | None, reason: str | None
    ) -> JobRecord | None:
        [refused] = self.command_all([job_id], action, actor=actor, reason=reason)
        check_refusal(job_id, refused)
        found = self._db.execute(sql.JOB, (job_id,)).fetchone()
        return None if found is None else JobRecord._make(found)

    def command_all(
        self, job_ids: Sequence[str], action: Action, *, actor: str | None, reason: str | None
    ) -> list[str | None]:
        jobs = self._found(job_ids)
        facts = {job: Facts(State(job.state), _requested(job), job.run_at, False, self._time) for job in jobs}
        refused: dict[str, str | None] = dict.fromkeys(job_ids, GONE) | {job.id: None for job in jobs}
        asked = Asked(actor, reason)
        for decision, group in decide_each(action, facts).items():
            match decision:
                case Reject(why):
                    refused |= {job.id: why for job in group}
                case Delete():
                    self._remove([job.seq for job in group])
                case SetRequest(request):
                    self._request(group, request, asked)
                case ChangeState(verb):
                    refused |= {job.id: KEY_HELD for job in self._move(group, verb, asked)}
        if long := [job.seq for job in jobs if job.long and refused[job.id] is None]:
            self._db.execute(FORGET_HISTORY, (long,))
        return [refused[job_id] for job_id in job_ids]

    def _found(self, job_ids: Sequence[str]) -> list[Found]:
        try:
            rows = self._db.execute(sql.FACTS, (texts(job_ids),)).fetchall()
        except UNSENDABLE:
            if len(job_ids) < 2:
                return []
            return [job for job_id in job_ids for job in self._found([job_id])]
        return [Found._make(row) for row in rows]

    def _request(self, jobs: Sequence[Found], request: Request | None, asked: Asked) -> None:
        fresh = [(job.seq, job.requested) for job in jobs if job.requested != request]
        if fresh:  # asked before: the first request and its author stand
            given = columns_of(sql.ASKING, fresh)
            self._db.execute(sql.ASK, {**given, "request": request, "now": self._time, **asked._asdict()})

    def _move(self, jobs: Sequence[Found], verb: Verb, asked: Asked) -> list[Found]:
        """Move what may be moved; answers those whose unique key another job holds."""
        if verb is not Verb.RETRY or not any(job.has_key for job in jobs):
            self._write_moves(jobs, verb, asked)
            return []
        try:
            with keys_not_waited_for(), self._db.transaction():
                self._write_moves(jobs, verb, asked)
        except psycopg.errors.UniqueViolation:
            return (
                list(jobs)
                if len(jobs) == 1
                else [one for job in jobs for one in self._move([job], verb, asked)]
            )
        return []

    def _write_moves(self, jobs: Sequence[Found], verb: Verb, asked: Asked) -> None:
        target = TRANSITIONS[verb].target
        ended = target in FINAL_STATES
        rows = [
            (job.seq, job.state, expires_at(target, job.retention, self._retention, self._time))
            for job in jobs
        ]
        given = columns_of(sql.MOVING, rows)
        finished_at = self._time if ended else None
        self._db.execute(
            sql.move(verb), {**given, "finished_at": finished_at, "now": self._time, **asked._asdict()}
        )
        for job in jobs:
            self._count(job.lane, job.state, target)

    def _remove(self, seqs: list[int]) -> int:
        gone = self._db.execute(sql.REMOVE, {"seqs": seqs, "now": self._time}).fetchall()
        for lane, state in gone:
            self._count(lane, state, None)
        return len(gone)


def _requested(job: Found) -> Request | None:
    return Request(job.requested) if job.requested else None
