"""What an action does to jobs on PostgreSQL: rows locked, one guarded statement for all that change alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import psycopg

from holdfast.core.records import JobRecord
from holdfast.core.retention import Retention, expires_at
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, Verb
from holdfast.storage.command import Author
from holdfast.storage.postgres import command_statements as sql
from holdfast.storage.postgres.arrays import columns_of, texts
from holdfast.storage.postgres.statements import FORGET_HISTORY
from holdfast.storage.postgres.transaction import Transactions, keys_not_waited_for

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


class PostgresSteps:
    """`CommandSteps`."""

    def __init__(self, tx: Transactions, retention: Retention) -> None:
        self._tx = tx
        self._retention = retention
        self.now = tx.now

    def lock(self, job_ids: Sequence[str]) -> list[Found]:
        try:
            rows = self._tx.db.execute(sql.FACTS, (texts(job_ids),)).fetchall()
        except UNSENDABLE:
            if len(job_ids) < 2:
                return []
            return [job for job_id in job_ids for job in self.lock([job_id])]
        return [Found._make(row) for row in rows]

    def read(self, job_id: str) -> JobRecord | None:
        found = self._tx.db.execute(sql.JOB, (job_id,)).fetchone()
        return None if found is None else JobRecord._make(found)

    def request(self, jobs: Sequence[Found], request: Request | None, author: Author) -> None:
        given = columns_of(sql.ASKING, [(job.seq, job.requested) for job in jobs])
        asked = {**given, "request": request, "now": self._tx.time, **author._asdict()}
        self._tx.db.execute(sql.ASK, asked)

    def move(self, jobs: Sequence[Found], verb: Verb, author: Author) -> list[Found]:
        if verb is not Verb.RETRY or not any(job.has_key for job in jobs):
            self._write_moves(jobs, verb, author)
            return []
        try:
            with keys_not_waited_for(), self._tx.db.transaction():
                self._write_moves(jobs, verb, author)
        except psycopg.errors.UniqueViolation:
            if len(jobs) == 1:
                return list(jobs)
            return [one for job in jobs for one in self.move([job], verb, author)]
        return []

    def _write_moves(self, jobs: Sequence[Found], verb: Verb, author: Author) -> None:
        target, now = TRANSITIONS[verb].target, self._tx.time
        rows = [(job.seq, job.state, expires_at(target, job.retention, self._retention, now)) for job in jobs]
        given = columns_of(sql.MOVING, rows)
        finished_at = now if target in FINAL_STATES else None
        asked = {**given, "finished_at": finished_at, "now": now, **author._asdict()}
        self._tx.db.execute(sql.move(verb), asked)
        for job in jobs:
            self._tx.count(job.lane, job.state, target)

    def remove(self, jobs: Sequence[Found]) -> None:
        remove_jobs(self._tx, [job.seq for job in jobs])

    def forget_history(self, seqs: Sequence[int]) -> None:
        self._tx.db.execute(FORGET_HISTORY, (list(seqs),))


def remove_jobs(tx: Transactions, seqs: list[int]) -> int:
    """Remove ended jobs whose rows are locked, with all that belongs to them. Returns how many there were."""
    gone = tx.db.execute(sql.REMOVE, {"seqs": seqs, "now": tx.time}).fetchall()
    for lane, state in gone:
        tx.count(lane, state, None)
    return len(gone)
