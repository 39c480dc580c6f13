"""Inserts new jobs in few statements, however many they are; each key is held once."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence

import pymysql

from holdfast.core.job import Inserted, NewJob
from holdfast.core.retention import format_retention
from holdfast.core.states import State
from holdfast.storage.errors import Contended
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.errors import DUPLICATE
from holdfast.storage.mysql.literals import Value, rows
from holdfast.storage.mysql.transaction import WritingSession

MAX_ROWS = 500
MAX_LETTERS = 4_000_000
"""One statement stays well below the server's max_allowed_packet of 16 MB."""


class InsertVerbs:
    """`insert`."""

    def __init__(self, tx: WritingSession) -> None:
        self._tx = tx

    def insert(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        now = self._tx.now()
        answers: list[Inserted] = []
        for run in _runs(jobs):
            answers += self._insert_run(run, now)
        return answers

    def _insert_run(self, jobs: Sequence[NewJob], now: int) -> list[Inserted]:
        if not any(_has_key(job) for job in jobs):
            try:
                self._store(jobs, now)
            except pymysql.err.IntegrityError as error:
                if error.args[0] != DUPLICATE:
                    raise
            else:
                return [Inserted(job.id, True) for job in jobs]
        return [
            self._insert_one(job, now) for job in jobs
        ]  # an id is there already, or there are keys to hold

    def _store(self, jobs: Sequence[NewJob], now: int) -> None:
        """The rows of jobs that hold no key. Raises IntegrityError, with nothing stored, when one of the ids is there."""
        seqs = self._store_rows(jobs, now)
        self._announce(jobs, seqs, now)

    def _store_rows(self, jobs: Sequence[NewJob], now: int) -> list[int]:
        """A statement whose number of rows is known draws numbers that follow one another (both servers promise it)."""
        self._tx.change(sql.INSERT + rows([_row(job, now) for job in jobs]))
        first = self._tx.last_id
        return list(range(first, first + len(jobs) * self._tx.step, self._tx.step))

    def _announce(self, jobs: Sequence[NewJob], seqs: Sequence[int], now: int) -> None:
        """What stands beside the rows: who may claim them, when they are due, tags, events."""
        placed = [(job, seq, *job.first_state(now)) for job, seq in zip(jobs, seqs, strict=True)]
        self._tx.make_ready(
            [
                (job.queue, job.type, job.priority, seq)
                for job, seq, state, _ in placed
                if state == State.ENQUEUED
            ]
        )
        self._tx.note_times(sql.INSERT_DUE, [(run_at, seq) for _, seq, _, run_at in placed])
        tags = [(tag, seq) for job, seq, _, _ in placed for tag in dict.fromkeys(job.tags)]
        if tags:
            self._tx.write(sql.INSERT_TAGS + rows(tags))
        for job, seq, state, _ in placed:
            self._tx.tell_move((job.queue, job.type), now, seq, state, None, actor=job.actor)

    def _insert_one(self, job: NewJob, now: int) -> Inserted:
        try:
            [seq] = self._store_rows([job], now)
        except pymysql.err.IntegrityError as error:
            if error.args[0] != DUPLICATE:
                raise
            return Inserted(job.id, False)
        if (holder := self._hold_keys(job)) is not None:
            self._tx.write(sql.TAKE_BACK, seq)
            return Inserted(holder, False)
        self._announce([job], [seq], now)
        return Inserted(job.id, True)

    def _hold_keys(self, job: NewJob) -> str | None:
        """Hold the keys of a job, or none of them; answers which job has one of them already."""
        key = job.idempotency_key
        if key is not None and self._tx.held_already(sql.HOLD_IDEMPOTENCY, key, job.id):
            return self._holder(sql.IDEMPOTENCY_HOLDER, key)
        name = job.unique_key
        if name is not None and self._tx.held_already(sql.HOLD_UNIQUE, job.type, name, job.id):
            if key is not None:
                self._tx.write(sql.FREE_IDEMPOTENCY, key, job.id)
            return self._holder(sql.UNIQUE_HOLDER, job.type, name)
        return None

    def _holder(self, statement: str, *key: str) -> str:
        for (holder,) in self._tx.run(statement, *key):
            return str(holder)
        raise Contended(
            "The job that held the same key has just given it back. Nothing was stored; repeat the call."
        )


def _has_key(job: NewJob) -> bool:
    return job.unique_key is not None or job.idempotency_key is not None


def _runs(jobs: Sequence[NewJob]) -> Generator[list[NewJob]]:
    """As many as one statement takes."""
    run: list[NewJob] = []
    letters = 0
    for job in jobs:
        size = len(job.args or "")
        if run and (
            len(run) >= MAX_ROWS or letters + size > MAX_LETTERS or _has_key(job) != _has_key(run[0])
        ):
            yield run
            run, letters = [], 0
        run.append(job)
        letters += size
    if run:
        yield run


def _row(job: NewJob, now: int) -> tuple[Value, ...]:
    state, run_at = job.first_state(now)
    tags = json.dumps(list(dict.fromkeys(job.tags)), ensure_ascii=False) if job.tags else None
    return (
        *(job.id, job.type, job.queue, state, job.actor, job.priority, job.args, job.owner, tags),
        *(
            job.max_attempts,
            job.timeout,
            job.unique_key,
            job.idempotency_key,
            format_retention(job.retention),
        ),
        *(job.origin, now, now, run_at),
    )
