"""What people ask of jobs, on MySQL and MariaDB: rows locked, decisions by the table, guarded statements for all
that change alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

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
from holdfast.core.states import ACTIVE_STATES, FINAL_STATES, TRANSITIONS, Request, State, Verb
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.literals import listed, literal
from holdfast.storage.mysql.transaction import REMOVED, REQUEST, WritingSession

Alike = TypeVar("Alike")


class Asked(NamedTuple):
    """When it is asked, by whom, and why."""

    now: int
    actor: str | None
    reason: str | None


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


class CommandVerbs(WritingSession):
    """`command` and `command_all`, a part of `MysqlWriter`."""

    def command(
        self, job_id: str, action: Action, *, actor: str | None, reason: str | None
    ) -> JobRecord | None:
        [refused] = self.command_all([job_id], action, actor=actor, reason=reason)
        check_refusal(job_id, refused)
        found = self.run(f"SELECT {sql.JOB_COLUMNS} FROM jobs WHERE id = %s", job_id)
        return JobRecord._make(found[0]) if found else None

    def command_all(
        self, job_ids: Sequence[str], action: Action, *, actor: str | None, reason: str | None
    ) -> list[str | None]:
        now = self._now()
        jobs = self._found(job_ids)
        facts = {job: Facts(State(job.state), _request(job), job.run_at, False, now) for job in jobs}
        refused: dict[str, str | None] = dict.fromkeys(job_ids, GONE) | {job.id: None for job in jobs}
        asked = Asked(now, actor, reason)
        for decision, group in decide_each(action, facts).items():
            match decision:
                case Reject(why):
                    refused |= {job.id: why for job in group}
                case Delete():
                    self._leave(group)
                    gone = [(j.seq, j.id, j.queue, j.type, j.state, j.idempotency_key) for j in group]
                    self._remove(gone, now)
                case SetRequest(request):
                    self._ask([job for job in group if job.requested != request], request, asked)
                case ChangeState(verb):
                    held = [job for job in group if self._key_is_held(verb, job)]
                    refused |= {job.id: KEY_HELD for job in held}
                    self._move(verb, [job for job in group if job not in held], asked)
        if long := [job.seq for job in jobs if job.long and refused[job.id] is None]:
            self.write(sql.FORGET_HISTORY.format(seqs=listed(long)))
        return [refused[job_id] for job_id in job_ids]

    def _found(self, job_ids: Sequence[str]) -> list[Found]:
        """Those of the jobs that are there, their rows locked in the order of seq."""
        seqs = [seq for (seq,) in self.run(sql.SEQS_OF.format(ids=listed(job_ids)))]
        if not seqs:
            return []
        return [Found._make(row) for row in self.run(sql.FACTS.format(seqs=listed(sorted(seqs))))]

    def _ask(self, jobs: Sequence[Found], request: Request | None, asked: Asked) -> None:
        """Asked before: the first request and its author stand."""
        now, actor, reason = asked
        for (before, at), group in _alike(jobs, lambda job: (job.requested, max(now, job.since))).items():
            seqs = listed([job.seq for job in group])
            self.write(sql.ASK.format(seqs=seqs), request, at, actor, reason, before)
        for job in jobs:
            about = (reason, actor, job.attempt, job.worker)
            self.tell(REQUEST, max(now, job.since), job.seq, request, State.PROCESSING, *about)

    def _key_is_held(self, verb: Verb, job: Found) -> bool:
        """Whether a unique key that this job would hold again is another one's; if not, it holds it now."""
        again = TRANSITIONS[verb].target in ACTIVE_STATES and job.state in FINAL_STATES
        if not again or job.unique_key is None:
            return False
        return self._held_already(sql.HOLD_UNIQUE, job.type, job.unique_key, job.id)

    def _move(self, verb: Verb, jobs: Sequence[Found], asked: Asked) -> None:
        target = TRANSITIONS[verb].target
        now, actor, reason = asked
        self._leave(jobs)
        expires = {job.seq: expires_at(target, job.retention, self._retention, now) for job in jobs}

        def why(job: Found) -> str | None:
            """A job that was paused between two attempts waits for the next one again, and says so."""
            return "retry" if verb is Verb.RESUME_LATER and job.error_type is not None else reason

        groups = _alike(jobs, lambda job: (why(job), max(now, job.since), expires[job.seq]))
        for (told, at, until), group in groups.items():
            seqs = listed([job.seq for job in group])
            ended = at if target in FINAL_STATES else None
            self.write(sql.move(verb).format(seqs=seqs), told, actor, at, ended, until)
        for job in jobs:
            about = (job.state, why(job), actor, job.attempt, job.worker)
            self._tell_move((job.queue, job.type), max(now, job.since), job.seq, target, *about)
        self._arrive(target, jobs, expires)

    def _arrive(self, target: State, jobs: Sequence[Found], expires: Mapping[int, int | None]) -> None:
        """Write what stands beside the rows for the state that they have now."""
        if target is State.ENQUEUED:
            self._make_ready([(job.queue, job.type, job.priority, job.seq) for job in jobs])
        elif target is State.SCHEDULED:
            self._note_times(sql.INSERT_DUE, [(job.run_at, job.seq) for job in jobs])
        elif target in FINAL_STATES:
            self._note_times(sql.INSERT_EXPIRY, [(expires[job.seq], job.seq) for job in jobs])
            for job in jobs:
                if job.unique_key is not None:
                    self.write(sql.FREE_UNIQUE, job.type, job.unique_key, job.id)

    def _leave(self, jobs: Sequence[Found]) -> None:
        """Take away what stands beside the rows for the states that they leave."""
        ready = [job for job in jobs if job.state == State.ENQUEUED]
        for (queue, type_, priority), group in _alike(ready, lambda j: (j.queue, j.type, j.priority)).items():
            lane = {"queue": literal(queue), "type": literal(type_), "turn": -priority}
            self.write(sql.LEAVE_READY.format(**lane, seqs=listed([job.seq for job in group])))
        due = [job for job in jobs if job.state == State.SCHEDULED]
        for at, group in _alike(due, lambda job: job.run_at).items():
            self.write(sql.LEAVE_DUE.format(**_at(at), seqs=listed([job.seq for job in group])))
        ended = [job for job in jobs if job.state in FINAL_STATES]
        for at, group in _alike(ended, lambda job: job.expires_at).items():
            self.write(sql.LEAVE_EXPIRY.format(**_at(at), seqs=listed([job.seq for job in group])))

    def _remove(self, jobs: Sequence[tuple[int, str, str, str, str, str | None]], now: int) -> None:
        """Remove jobs whose rows are locked, with all that belongs to them: (seq, id, queue, type, state, idempotency key)
        of each."""
        seqs = [seq for seq, *_ in jobs]
        for statement in sql.REMOVE:
            self.write(statement.format(seqs=listed(seqs)))
        if names := [name for *_, name in jobs if name is not None]:
            ids = [job_id for _, job_id, *_ in jobs]
            self.write(sql.FREE_IDEMPOTENCIES.format(names=listed(names), ids=listed(ids)))
        self._forget_told(set(seqs))
        for seq, job_id, queue, type_, state, _ in jobs:
            self.tell(REMOVED, now, seq, previous=state, reason=job_id)
            self._count((queue, type_), state, None)


def _at(at: int | None) -> dict[str, str]:
    """Bounds of one time; of none, what no entry has."""
    return {"low": literal(at), "high": literal(at)}


def _request(job: Found) -> Request | None:
    return Request(job.requested) if job.requested else None


def _alike(jobs: Sequence[Found], key: Callable[[Found], Alike]) -> dict[Alike, list[Found]]:
    """The jobs by what is the same for them, each group in their order."""
    groups: dict[Alike, list[Found]] = {}
    for job in jobs:
        groups.setdefault(key(job), []).append(job)
    return groups
