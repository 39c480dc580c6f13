"""This exists so that what people ask of a job or a queue is one locked row, one decision, one guarded statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.core.commands import Action, Ask, Facts, Move, Refuse, Remove, decide
from holdfast.core.errors import Conflict, NotFound
from holdfast.core.records import JobRecord
from holdfast.core.states import FINAL, LIVE, TRANSITIONS, Request, State, Verb
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.session import QUEUE, REMOVED, REQUEST, WritingSession
from holdfast.storage.mysql.text import listed, literal


class Found(NamedTuple):
    """A job whose row is locked until the end of the transaction."""

    seq: int
    id: str
    state: str
    requested: str | None
    run_at: int | None
    retention: str | None
    type: str
    queue: str
    priority: int
    unique_key: str | None
    idempotency_key: str | None
    expires_at: int | None
    attempt: int
    worker: str | None
    error_type: str | None
    since: int
    """When it was changed or asked for something last."""
    long: int | None
    """Whether its history has grown over what is kept."""


class PeopleVerbs(WritingSession):
    """`command` and the verbs of queues, a part of `MysqlWriter`."""

    def command(
        self, job_id: str, action: Action, *, actor: str | None, reason: str | None
    ) -> JobRecord | None:
        now = self._now()
        rows = self._run(sql.FACTS, job_id)
        if not rows:
            raise NotFound(f"There is no job {job_id}; it never was, or its retention is over.")
        job = Found._make(rows[0])
        requested, at = Request(job.requested) if job.requested else None, max(now, job.since)
        match decide(action, Facts(State(job.state), requested, job.run_at, False, now)):
            case Refuse(why):
                raise Conflict(why)
            case Remove():
                self._write(sql.LEAVE_EXPIRY.format(**_at(job.expires_at), seqs=listed([job.seq])))
                gone = (job.seq, job.id, job.queue, job.type, job.state, job.idempotency_key)
                self._remove([gone], now)
                return None
            case Ask(request) if request == requested:
                pass  # asked before: the first request and its author stand
            case Ask(request):
                self._write(sql.ASK, request, at, actor, reason, job.seq, job.requested)
                self._tell(
                    REQUEST, at, job.seq, request, State.PROCESSING, reason, actor, job.attempt, job.worker
                )
            case Move(verb):
                self._move(verb, job, at, actor, reason)
        if job.long:
            self._write(sql.FORGET_HISTORY.format(seqs=listed([job.seq])))
        return JobRecord._make(self._run(f"SELECT {sql.JOB_COLUMNS} FROM jobs WHERE seq = %s", job.seq)[0])

    def _move(self, verb: Verb, job: Found, now: int, actor: str | None, reason: str | None) -> None:
        target = TRANSITIONS[verb].target
        ended = now if target in FINAL else None
        expires = self._keep(target, job.retention, now) if target in FINAL else None
        if verb is Verb.RESUME_LATER and job.error_type is not None:
            reason = "retry"  # paused between two attempts, it waits for the next one again, and says so
        key = job.unique_key if target in LIVE and job.state in FINAL else None
        if key is not None and self._held_already(sql.HOLD_UNIQUE, job.type, key, job.id):
            raise Conflict("Another live job of this type holds the same unique key.")
        self._leave(job)
        self._write(sql.move(verb), reason, actor, now, ended, expires, job.seq)
        about = (job.state, reason, actor, job.attempt, job.worker)
        self._tell_move((job.queue, job.type), now, job.seq, target, *about)
        if target is State.ENQUEUED:
            self._make_ready([(job.queue, job.type, job.priority, job.seq)])
        elif target is State.SCHEDULED:
            self._note_times(sql.INSERT_DUE, [(job.run_at, job.seq)])
        elif target in FINAL:
            self._note_times(sql.INSERT_EXPIRY, [(expires, job.seq)])
            if job.unique_key is not None:
                self._write(sql.FREE_UNIQUE, job.type, job.unique_key, job.id)

    def _leave(self, job: Found) -> None:
        """Take away what stands beside the row for the state that it leaves."""
        seqs = listed([job.seq])
        if job.state == State.ENQUEUED:
            lane = {"queue": literal(job.queue), "type": literal(job.type)}
            self._write(sql.LEAVE_READY.format(**lane, turn=-job.priority, seqs=seqs))
        elif job.state == State.SCHEDULED:
            self._write(sql.LEAVE_DUE.format(**_at(job.run_at), seqs=seqs))
        elif job.state in FINAL:
            self._write(sql.LEAVE_EXPIRY.format(**_at(job.expires_at), seqs=seqs))

    def _remove(self, jobs: Sequence[tuple[int, str, str, str, str, str | None]], now: int) -> None:
        """Remove jobs whose rows are locked, with all that belongs to them: (seq, id, queue, type, state, idempotency key)
        of each."""
        seqs = [seq for seq, *_ in jobs]
        for statement in sql.REMOVE:
            self._write(statement.format(seqs=listed(seqs)))
        if names := [name for *_, name in jobs if name is not None]:
            ids = [job_id for _, job_id, *_ in jobs]
            self._write(sql.FREE_IDEMPOTENCIES.format(names=listed(names), ids=listed(ids)))
        self._forget_told(set(seqs))
        for seq, job_id, queue, type_, state, _ in jobs:
            self._tell(REMOVED, now, seq, previous=state, reason=job_id)
            self._count((queue, type_), state, None)

    # -- queues -----------------------------------------------------------------------------------------------------------

    def pause_queue(self, name: str, *, actor: str | None, reason: str | None) -> None:
        now = self._now()
        self._write(sql.PAUSE_QUEUE, name, now, actor, reason)
        self._tell(QUEUE, now, state="paused", actor=actor, reason=name)

    def resume_queue(self, name: str, *, actor: str | None) -> None:
        self._write(sql.RESUME_QUEUE, name)
        self._tell(QUEUE, self._now(), state="open", actor=actor, reason=name)


def _at(at: int | None) -> dict[str, str]:
    """Bounds of one time; of none, what no entry has."""
    return {"low": literal(at), "high": literal(at)}
