"""What an action does to jobs on MySQL and MariaDB: rows locked, guarded statements for all that change alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from holdfast.core.records import JobRecord
from holdfast.core.retention import Retention, expires_at
from holdfast.core.states import ACTIVE_STATES, FINAL_STATES, TRANSITIONS, Request, State, Verb
from holdfast.storage.command import Author
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.literals import listed, literal
from holdfast.storage.mysql.transaction import REMOVED, REQUEST, WritingSession

Alike = TypeVar("Alike")


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


class Removed(NamedTuple):
    """What is known of a job that is removed."""

    seq: int
    id: str
    queue: str
    type: str
    state: str
    idempotency_key: str | None


class MysqlSteps:
    """`CommandSteps`."""

    def __init__(self, tx: WritingSession, retention: Retention) -> None:
        self._tx = tx
        self._retention = retention
        self.now = tx.now

    def lock(self, job_ids: Sequence[str]) -> list[Found]:
        seqs = [seq for (seq,) in self._tx.run(sql.SEQS_OF.format(ids=listed(job_ids)))]
        if not seqs:
            return []
        return [Found._make(row) for row in self._tx.run(sql.FACTS.format(seqs=listed(sorted(seqs))))]

    def read(self, job_id: str) -> JobRecord | None:
        found = self._tx.run(f"SELECT {sql.JOB_COLUMNS} FROM jobs WHERE id = %s", job_id)
        return JobRecord._make(found[0]) if found else None

    def request(self, jobs: Sequence[Found], request: Request | None, author: Author) -> None:
        now, (actor, reason) = self.now(), author
        for (before, at), group in _alike(jobs, lambda job: (job.requested, max(now, job.since))).items():
            seqs = listed([job.seq for job in group])
            self._tx.write(sql.ASK.format(seqs=seqs), request, at, actor, reason, before)
        for job in jobs:
            about = (reason, actor, job.attempt, job.worker)
            self._tx.tell(REQUEST, max(now, job.since), job.seq, request, State.PROCESSING, *about)

    def move(self, jobs: Sequence[Found], verb: Verb, author: Author) -> list[Found]:
        held = [job for job in jobs if self._key_is_held(verb, job)]
        self._write_moves([job for job in jobs if job not in held], verb, author)
        return held

    def remove(self, jobs: Sequence[Found]) -> None:
        self._leave(jobs)
        remove_jobs(
            self._tx, [Removed(j.seq, j.id, j.queue, j.type, j.state, j.idempotency_key) for j in jobs]
        )

    def forget_history(self, seqs: Sequence[int]) -> None:
        self._tx.write(sql.FORGET_HISTORY.format(seqs=listed(seqs)))

    def _key_is_held(self, verb: Verb, job: Found) -> bool:
        """Whether a unique key that this job would hold again is another one's; if not, it holds it now."""
        again = TRANSITIONS[verb].target in ACTIVE_STATES and job.state in FINAL_STATES
        if not again or job.unique_key is None:
            return False
        return self._tx.held_already(sql.HOLD_UNIQUE, job.type, job.unique_key, job.id)

    def _write_moves(self, jobs: Sequence[Found], verb: Verb, author: Author) -> None:
        target = TRANSITIONS[verb].target
        now, (actor, reason) = self.now(), author
        self._leave(jobs)
        expires = {job.seq: expires_at(target, job.retention, self._retention, now) for job in jobs}

        def why(job: Found) -> str | None:
            """A job that was paused between two attempts waits for the next one again, and says so."""
            return "retry" if verb is Verb.RESUME_LATER and job.error_type is not None else reason

        groups = _alike(jobs, lambda job: (why(job), max(now, job.since), expires[job.seq]))
        for (told, at, until), group in groups.items():
            seqs = listed([job.seq for job in group])
            ended = at if target in FINAL_STATES else None
            self._tx.write(sql.move(verb).format(seqs=seqs), told, actor, at, ended, until)
        for job in jobs:
            about = (job.state, why(job), actor, job.attempt, job.worker)
            self._tx.tell_move((job.queue, job.type), max(now, job.since), job.seq, target, *about)
        self._arrive(target, jobs, expires)

    def _arrive(self, target: State, jobs: Sequence[Found], expires: Mapping[int, int | None]) -> None:
        """Write what stands beside the rows for the state that they have now."""
        if target is State.ENQUEUED:
            self._tx.make_ready([(job.queue, job.type, job.priority, job.seq) for job in jobs])
        elif target is State.SCHEDULED:
            self._tx.note_times(sql.INSERT_DUE, [(job.run_at, job.seq) for job in jobs])
        elif target in FINAL_STATES:
            self._tx.note_times(sql.INSERT_EXPIRY, [(expires[job.seq], job.seq) for job in jobs])
            for job in jobs:
                if job.unique_key is not None:
                    self._tx.write(sql.FREE_UNIQUE, job.type, job.unique_key, job.id)

    def _leave(self, jobs: Sequence[Found]) -> None:
        """Take away what stands beside the rows for the states that they leave."""
        ready = [job for job in jobs if job.state == State.ENQUEUED]
        for (queue, type_, priority), group in _alike(ready, lambda j: (j.queue, j.type, j.priority)).items():
            lane = {"queue": literal(queue), "type": literal(type_), "turn": -priority}
            self._tx.write(sql.LEAVE_READY.format(**lane, seqs=listed([job.seq for job in group])))
        due = [job for job in jobs if job.state == State.SCHEDULED]
        for at, group in _alike(due, lambda job: job.run_at).items():
            self._tx.write(sql.LEAVE_DUE.format(**_at(at), seqs=listed([job.seq for job in group])))
        ended = [job for job in jobs if job.state in FINAL_STATES]
        for at, group in _alike(ended, lambda job: job.expires_at).items():
            self._tx.write(sql.LEAVE_EXPIRY.format(**_at(at), seqs=listed([job.seq for job in group])))


def remove_jobs(tx: WritingSession, jobs: Sequence[Removed]) -> None:
    """Remove ended jobs whose rows are locked, with all that belongs to them."""
    seqs = [job.seq for job in jobs]
    for statement in sql.REMOVE:
        tx.write(statement.format(seqs=listed(seqs)))
    if names := [job.idempotency_key for job in jobs if job.idempotency_key is not None]:
        ids = [job.id for job in jobs]
        tx.write(sql.FREE_IDEMPOTENCIES.format(names=listed(names), ids=listed(ids)))
    tx.forget_told(set(seqs))
    for job in jobs:
        tx.tell(REMOVED, tx.now(), job.seq, previous=job.state, reason=job.id)
        tx.count((job.queue, job.type), job.state, None)


def _at(at: int | None) -> dict[str, str]:
    """Bounds of one time; of none, what no entry has."""
    return {"low": literal(at), "high": literal(at)}


def _alike(jobs: Sequence[Found], key: Callable[[Found], Alike]) -> dict[Alike, list[Found]]:
    """The jobs by what is the same for them, each group in their order."""
    groups: dict[Alike, list[Found]] = {}
    for job in jobs:
        groups.setdefault(key(job), []).append(job)
    return groups
