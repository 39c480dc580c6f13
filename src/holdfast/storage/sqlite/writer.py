"""The writing connection, and the verbs of a job from insert to settlement, each change one guarded statement."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import apsw

from holdfast.core.errors import StorageRefused
from holdfast.core.job import Claimed, ClaimRequest, Inserted, NewJob
from holdfast.core.outcome import Report, Settlement, answer_request
from holdfast.core.retention import (
    Retention,
    expires_at,
    format_retention,
)
from holdfast.core.sizes import HISTORY_CLAIMS, MAX_LOG_LINES
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, State, Verb
from holdfast.storage.sqlite import statements as sql
from holdfast.storage.sqlite.boot_clock import boot_id
from holdfast.storage.sqlite.connection import FORKED, TRANSIENT, unavailable
from holdfast.storage.sqlite.seal import refuse_sealed
from holdfast.storage.sqlite.wal import WalKeeper
from holdfast.storage.verbs.attempts import LOST

MAX_LANES: Final = 400  # SQLite joins up to 500 selects in one statement


class SqliteWriter:
    """The transaction on the one writing connection, and the verbs of every job. Not thread-safe."""

    def __init__(
        self,
        path: Path,
        connect: Callable[[], apsw.Connection],
        retention: Retention,
        clock: Callable[[], int],
        lease_clock: Callable[[], int],
    ) -> None:
        self._connect_writer = connect
        self._doubtful = False
        self._open_at: int | None = None
        """The version of the database at which it was seen to be open for writes."""
        self._wal = WalKeeper(path)
        self._retention = retention
        self._now = clock
        self._lease_now = lease_clock

    def open(self, connection: apsw.Connection) -> None:
        """Write on this connection, in this process, until `close`."""
        self._db = connection
        self._boot = boot_id()
        self._process = os.getpid()

    def close(self) -> None:
        """Close the connection."""
        self._db.close(True)

    @property
    def db(self) -> apsw.Connection:
        """The writing connection, for a verb in the open transaction."""
        return self._db

    @contextmanager
    def transaction(self, *, sealed: bool = False) -> Generator[None]:
        if self._process != os.getpid():
            raise StorageRefused(FORKED)
        if self._doubtful:
            self._reopen()
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except TRANSIENT as error:
            raise unavailable(error) from error
        try:
            # asked anew only when something was written since: a statement for each transaction would be a tenth of it
            if not sealed and self._db.data_version() != self._open_at:
                refuse_sealed(self._db)
            yield
            self._db.execute("COMMIT")
            self._open_at = None if sealed else self._db.data_version()
        except TRANSIENT as error:
            self._doubtful = isinstance(error, apsw.IOError)
            self._roll_back()
            raise unavailable(error) from error
        except BaseException:
            self._roll_back()
            raise
        self._wal.after_commit(self._db)

    def fetch(self, statement: str, values: Sequence[apsw.SQLiteValue]) -> list[tuple[Any, ...]]:
        """The rows of a statement in the open transaction."""
        return self._db.execute(statement, values).fetchall()

    def change(self, statement: str, values: Sequence[apsw.SQLiteValue]) -> int:
        """Run a statement in the open transaction. Returns how many rows it has changed."""
        self._db.execute(statement, values)
        return self._db.changes()

    def _reopen(self) -> None:
        """After an error of the disk nothing that the connection holds in memory is believed: what counts is what can be
        read from the file again."""
        self._db.close(True)
        self._db = self._connect_writer()
        self._open_at = None
        self._doubtful = False

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # a full disk may have rolled it back already
            self._db.execute("ROLLBACK")

    def unlocked(self, seqs: Sequence[int]) -> set[int]:
        return set(seqs)

    # -- the way of a job -------------------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        now = self._now()
        if len(jobs) > 1 and not any(job.unique_key or job.idempotency_key or job.tags for job in jobs):
            try:
                with self._db:  # a savepoint: when one id is there already, all go the careful way
                    self._insert_alike(jobs, now)
            except apsw.ConstraintError:
                return [self._insert_one(job, now) for job in jobs]
            return [Inserted(job.id, True) for job in jobs]
        return [self._insert_one(job, now) for job in jobs]

    def _insert_alike(self, jobs: Sequence[NewJob], now: int) -> None:
        """Keyless jobs, in runs of those that differ only in id and arguments."""
        for shape, run in groupby(jobs, lambda job: _shape(job, now)):
            pairs = json.dumps([(job.id, job.args) for job in run], ensure_ascii=False)
            self._db.execute(sql.INSERT_ALIKE, (pairs, *shape))

    def _insert_one(self, job: NewJob, now: int) -> Inserted:
        try:
            self._db.execute(sql.INSERT, _row(job, now))
        except apsw.ConstraintError:  # only this statement is undone
            keys = (job.id, job.idempotency_key, job.type, job.unique_key)
            same = next(self._db.execute(sql.FIND_SAME, keys), None)
            if same is None:
                raise
            return Inserted(same[0], False)
        for tag in dict.fromkeys(job.tags):
            self._db.execute(sql.INSERT_TAG, (tag, job.id))
        return Inserted(job.id, True)

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        may = self._db.execute(sql.MAY_CLAIM, (request.worker, self._boot, self._lease_now()))
        if next(may, None) is None:
            return []
        lanes = self._lanes(request)
        if not lanes:
            return []
        if len(lanes) > MAX_LANES:
            lanes = self._best_lanes(lanes, request.limit)
        now = self._now()
        parameters: list[str | int] = [request.worker, now, now]
        for queue, type_ in lanes:
            parameters += (queue, type_, request.limit)
        parameters.append(request.limit)
        claimed = [Claimed._make(row) for row in self._db.execute(sql.claim(len(lanes)), parameters)]
        claimed.sort(key=attrgetter("seq"))  # RETURNING promises no order
        if len({job.priority for job in claimed}) > 1:
            claimed.sort(key=attrgetter("priority"), reverse=True)
        return claimed

    def _best_lanes(self, lanes: list[tuple[str, str]], limit: int) -> list[tuple[str, str]]:
        """The lanes whose first jobs come first; no more than `limit` lanes can give a job to this claim."""
        heads: list[tuple[int, int, str, str]] = []
        for queue, type_ in lanes:
            seq, priority = next(self._db.execute(sql.LANE_HEAD, (queue, type_, 1)))
            heads.append((-priority, seq, queue, type_))
        return [(queue, type_) for _, _, queue, type_ in sorted(heads)[: min(limit, MAX_LANES)]]

    def _lanes(self, request: ClaimRequest) -> list[tuple[str, str]]:
        paused = {name for (name,) in self._db.execute(sql.PAUSED_QUEUES)}
        return [
            (queue, type_)
            for queue, type_ in self._db.execute(sql.READY_LANES)
            if type_ in request.types
            and queue not in paused
            and (not request.queues or queue in request.queues)
        ]

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        now = self._now()
        swift = [s for s in settlements if s.verb is Verb.SUCCEED and s.report is None]
        done: set[tuple[int, int]] = set()
        if swift:
            rows = json.dumps([(s.seq, s.token, s.result, s.keep) for s in swift], ensure_ascii=False)
            done = set(self._db.execute(sql.SUCCEED, (rows, now)))
            if len(done) == len(settlements):
                return [State.SUCCEEDED] * len(settlements)
        answers: list[str] = []
        for s in settlements:
            if s.verb is Verb.SUCCEED and s.report is None and (s.seq, s.token) in done:
                done.remove((s.seq, s.token))  # a second settlement of the same attempt is a repeat: LOST
                answers.append(State.SUCCEEDED)
            else:
                answers.append(self._settle_one(s, now))
        return answers

    def _settle_one(self, settlement: Settlement, now: int) -> str:
        held = next(self._db.execute(sql.HELD, (settlement.seq, settlement.token)), None)
        if held is None:
            return LOST
        requested, reason, actor, retention = held
        if settlement.report is not None:
            self._report_one(settlement.report, now)
        # an attempt that has failed counts, whatever is done with the job now
        burns = TRANSITIONS[settlement.verb].counts_attempt
        if requested is not None:
            keep = expires_at(State.CANCELLED, retention, self._retention, now)
            settlement = answer_request(settlement, Request(requested), reason, actor, keep)
        s, error = settlement, settlement.error
        ended = now if s.target in FINAL_STATES else None
        row = (
            *(s.seq, s.token, s.target, s.reason, s.actor, s.run_at, s.result),
            *((None, None, None) if error is None else (error.type, error.message, error.traceback)),
            *(ended, now, s.keep if ended else None, int(not burns), requested, int(s.crashed)),
        )
        next(self._db.execute(sql.SETTLE, row))
        if s.token % HISTORY_CLAIMS == 0:
            self._db.execute(sql.FORGET_HISTORY, (s.seq,))
        return s.target

    def report(self, reports: Sequence[Report]) -> list[str]:
        now = self._now()
        return [self._report_one(report, now) for report in reports]

    def _report_one(self, report: Report, now: int) -> str:
        saved_at = None if report.saved is None else now
        key = (report.seq, report.token)
        if report.progress is None:
            rows = self._db.execute(sql.REPORT_PLAIN, (*key, saved_at, len(report.logs)))
        else:
            rows = self._db.execute(sql.REPORT, (*key, report.progress, saved_at, len(report.logs), now))
        answer = next(rows, None)
        if answer is None:
            return LOST
        requested, lines, attempt = answer
        if report.saved is not None:
            self._db.execute(sql.SAVE, (report.seq, report.saved, now))
        room = max(0, MAX_LOG_LINES - (lines - len(report.logs)))
        if report.logs and room:
            self._db.executemany(
                sql.LOG,
                [(report.seq, x.at, x.level, x.message, x.fields, attempt) for x in report.logs[:room]],
            )
            self._db.execute(sql.LOG_EVENT, (now, report.seq))
        return requested


def _shape(job: NewJob, now: int) -> tuple[apsw.SQLiteValue, ...]:
    state, run_at = job.first_state(now)
    return (
        *(job.type, job.queue, state, job.actor, job.priority, job.owner, job.max_attempts, job.timeout),
        *(format_retention(job.retention), job.origin, now, run_at),
    )


def _row(job: NewJob, now: int) -> tuple[apsw.SQLiteValue, ...]:
    state, run_at = job.first_state(now)
    tags = json.dumps(list(dict.fromkeys(job.tags)), ensure_ascii=False) if job.tags else None
    return (
        *(
            job.id,
            job.type,
            job.queue,
            state,
            job.actor,
            job.priority,
            job.args,
            job.owner,
            tags,
            job.max_attempts,
            job.timeout,
        ),
        *(job.unique_key, job.idempotency_key, format_retention(job.retention), job.origin, now, run_at),
    )
