"""What an action does to jobs on SQLite: one guarded statement for each job."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import apsw

from holdfast.core.records import JobRecord
from holdfast.core.retention import Retention, expires_at
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, Verb
from holdfast.storage.command import Author
from holdfast.storage.sqlite import statements as sql
from holdfast.storage.sqlite.writer import SqliteWriter


class Found(NamedTuple):
    """A job, which no other process can change before the end of the transaction."""

    id: str
    seq: int
    state: str
    requested: str | None
    run_at: int | None
    retention: str | None
    long: int
    """Whether its history has grown over what is kept."""


class SqliteSteps:
    """`CommandSteps`."""

    def __init__(self, writer: SqliteWriter, retention: Retention, clock: Callable[[], int]) -> None:
        self._writer = writer
        self._retention = retention
        self.now = clock

    def lock(self, job_ids: Sequence[str]) -> list[Found]:
        ids = json.dumps(list(job_ids))
        return [Found._make(row) for row in self._writer.db.execute(sql.FACTS, (ids,))]

    def read(self, job_id: str) -> JobRecord | None:
        one = f"SELECT {sql.JOB_COLUMNS} FROM jobs WHERE id = ?"
        found = next(self._writer.db.execute(one, (job_id,)), None)
        return None if found is None else JobRecord._make(found)

    def request(self, jobs: Sequence[Found], request: Request | None, author: Author) -> None:
        now = self.now()
        for job in jobs:
            next(self._writer.db.execute(sql.ASK, (job.seq, request, now, *author, job.requested)))

    def move(self, jobs: Sequence[Found], verb: Verb, author: Author) -> list[Found]:
        now, target = self.now(), TRANSITIONS[verb].target
        ended = now if target in FINAL_STATES else None
        held: list[Found] = []
        for job in jobs:
            expires = expires_at(target, job.retention, self._retention, now)
            moved = (job.seq, author.reason, author.actor, now, ended, expires, int(verb is Verb.RETRY))
            try:
                next(self._writer.db.execute(sql.move(verb), moved))
            except apsw.ConstraintError:  # only this statement is undone
                held.append(job)
        return held

    def remove(self, jobs: Sequence[Found]) -> None:
        for job in jobs:
            next(self._writer.db.execute(sql.REMOVE, (job.seq, job.state)))

    def forget_history(self, seqs: Sequence[int]) -> None:
        self._writer.db.executemany(sql.FORGET_HISTORY, [(seq,) for seq in seqs])
