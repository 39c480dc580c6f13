"""Stores reports and settlements in batches, guarded by the tokens of the rows that were locked first."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeVar

from holdfast.core.outcome import Report, Settlement, answer_request
from holdfast.core.retention import Retention, expires_at
from holdfast.core.sizes import HISTORY_CLAIMS, MAX_LOG_LINES
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, State
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.literals import Changes, Value, listed, rows
from holdfast.storage.mysql.transaction import LOG, PROGRESS, WritingSession
from holdfast.storage.verbs.attempts import LOST

T = TypeVar("T", Settlement, Report)


class Held(NamedTuple):
    """A job that is being processed, its row locked until the end of the transaction."""

    seq: int
    token: int
    id: str
    type: str
    queue: str
    priority: int
    requested: str | None
    requested_reason: str | None
    requested_by: str | None
    retention: str | None
    attempt: int
    worker: str | None
    unique_key: str | None
    log_lines: int
    crashes: int
    since: int
    """When it was changed or asked for something last."""


class SettleVerbs:
    """`settle`, `report` and `unlocked`."""

    def __init__(self, tx: WritingSession, retention: Retention) -> None:
        self._tx = tx
        self._retention = retention

    def unlocked(self, seqs: Sequence[int]) -> set[int]:
        return {int(seq) for (seq,) in self._tx.run(sql.UNLOCKED.format(seqs=listed(seqs)))}

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        now = self._tx.now()
        return [answer for run in _runs(settlements) for answer in self._settle_run(run, now)]

    def report(self, reports: Sequence[Report]) -> list[str]:
        now = self._tx.now()
        return [answer for run in _runs(reports) for answer in self._report_run(run, now)]

    def _hold(self, asked: Sequence[Settlement] | Sequence[Report]) -> dict[int, Held]:
        """Those of the attempts that hold their jobs, by seq."""
        if not asked:
            return {}
        tokens = {item.seq: item.token for item in asked}
        held = [Held._make(row) for row in self._tx.run(sql.HELD.format(seqs=listed(sorted(tokens))))]
        return {job.seq: job for job in held if job.token == tokens[job.seq]}

    def _settle_run(self, settlements: Sequence[Settlement], now: int) -> list[str]:
        held = self._hold(settlements)
        mine = [settlement for settlement in settlements if settlement.seq in held]
        self._write_reports([s.report for s in mine if s.report is not None], held, now)
        ends = [self._answered(settlement, held[settlement.seq], now) for settlement in mine]
        if ends:
            # an attempt that has failed counts, whatever is done with the job now
            burns = {s.seq: TRANSITIONS[s.verb].counts_attempt for s in mine}
            self._write_ends(ends, burns, held, now)
            self._place(ends, held)
        if long := [s.seq for s in mine if s.token % HISTORY_CLAIMS == 0]:
            self._tx.write(sql.FORGET_HISTORY.format(seqs=listed(long)))
        targets = {end.seq: end.target for end in ends}
        return [targets.get(settlement.seq, LOST) for settlement in settlements]

    def _answered(self, settlement: Settlement, held: Held, now: int) -> Settlement:
        if held.requested is not None:
            keep = expires_at(State.CANCELLED, held.retention, self._retention, now)
            why, who = held.requested_reason, held.requested_by
            settlement = answer_request(settlement, Request(held.requested), why, who, keep)
        if settlement.target is State.SUCCEEDED:
            return settlement._replace(reason=None, actor=None, error=None)
        return settlement

    def _write_ends(
        self, ends: Sequence[Settlement], burns: dict[int, bool], held: dict[int, Held], now: int
    ) -> None:
        change = Changes([end.seq for end in ends])
        change.put("state", {end.seq: end.target for end in ends})
        change.put("reason", {end.seq: end.reason for end in ends})
        change.put("actor", {end.seq: end.actor for end in ends})
        change.put("run_at", {end.seq: end.run_at for end in ends})
        change.put("continues", {end.seq: int(not burns[end.seq]) for end in ends})
        at = {end.seq: max(now, held[end.seq].since) for end in ends}
        change.put("changed_at", at)
        change.put(
            "finished_at", {end.seq: at[end.seq] if end.target in FINAL_STATES else None for end in ends}
        )
        change.put("expires_at", {end.seq: end.keep if end.target in FINAL_STATES else None for end in ends})
        change.replace("crashes", {end.seq: held[end.seq].crashes + 1 for end in ends if end.crashed})
        succeeded = [end for end in ends if end.target is State.SUCCEEDED]
        results = {end.seq: end.result for end in succeeded}
        change.replace("result", results | {end.seq: end.result for end in ends if end.result is not None})
        failed = [(end.seq, end.error) for end in ends if end.error is not None]
        for column, part in (("error_type", 0), ("error_message", 1), ("error_traceback", 2)):
            errors: dict[int, Value] = {end.seq: None for end in succeeded}
            told = ((seq, (error.type, error.message, error.traceback)[part]) for seq, error in failed)
            change.replace(column, errors | {seq: text for seq, text in told if text is not None})
        change.write("requested = NULL, requested_at = NULL, requested_by = NULL, requested_reason = NULL")
        self._tx.write(change.statement(sql.HOLDS))
        for end in ends:
            job = held[end.seq]
            about = (State.PROCESSING, end.reason, end.actor, job.attempt, job.worker)
            self._tx.tell_move((job.queue, job.type), at[end.seq], end.seq, end.target, *about)

    def _place(self, ends: Sequence[Settlement], held: dict[int, Held]) -> None:
        """What stands beside the rows: who may claim them, when they are due or expire, which keys they give back."""
        again = [held[end.seq] for end in ends if end.target is State.ENQUEUED]
        self._tx.make_ready([(job.queue, job.type, job.priority, job.seq) for job in again])
        later = [(end.run_at, end.seq) for end in ends if end.target is State.SCHEDULED]
        self._tx.note_times(sql.INSERT_DUE, later)
        ended = [end for end in ends if end.target in FINAL_STATES]
        self._tx.note_times(sql.INSERT_EXPIRY, [(end.keep, end.seq) for end in ended])
        for end in ended:
            job = held[end.seq]
            if job.unique_key is not None:
                self._tx.write(sql.FREE_UNIQUE, job.type, job.unique_key, job.id)

    # -- what attempts say ------------------------------------------------------------------------------------------------

    def _report_run(self, reports: Sequence[Report], now: int) -> list[str]:
        held = self._hold(reports)
        self._write_reports([report for report in reports if report.seq in held], held, now)
        return [held[report.seq].requested or "" if report.seq in held else LOST for report in reports]

    def _write_reports(self, reports: Sequence[Report], held: dict[int, Held], now: int) -> None:
        if not reports:
            return
        moved = [report for report in reports if report.progress is not None]
        saving = [report for report in reports if report.saved is not None]
        change = Changes([report.seq for report in reports])
        change.replace("progress", {report.seq: report.progress for report in moved})
        change.replace("changed_at", {report.seq: max(now, held[report.seq].since) for report in moved})
        change.replace("saved_at", {report.seq: now for report in saving})
        lines = {r.seq: held[r.seq].log_lines + len(r.logs) for r in reports if r.logs}
        change.replace("log_lines", lines)
        if statement := change.statement(sql.HOLDS):
            self._tx.write(statement)
        if saving:
            saved = [(report.seq, report.saved, now, 1) for report in saving]
            self._tx.write(sql.SAVE + rows(saved) + sql.SAVE_AGAIN)
        for report in reports:
            if report.progress is not None:
                self._tx.tell(PROGRESS, now, report.seq, State.PROCESSING)
            self._write_lines(report, held[report.seq], now)

    def _write_lines(self, report: Report, held: Held, now: int) -> None:
        room = max(0, MAX_LOG_LINES - held.log_lines)
        lines = report.logs[:room]
        if lines:
            entries: list[tuple[Any, ...]] = [
                (report.seq, line.at, line.level, line.message, line.fields, held.attempt) for line in lines
            ]
            for start in range(0, len(entries), MAX_LINES):
                self._tx.write(sql.LOG + rows(entries[start : start + MAX_LINES]))
            self._tx.tell(LOG, now, report.seq)


MAX_LINES = 500
"""Lines of up to 8 KiB that one statement carries."""


def _runs(items: Sequence[T]) -> Generator[list[T]]:
    """Runs in which no job comes twice: the second word about an attempt must meet what the first one made of it."""
    run: list[T] = []
    seen: set[int] = set()
    for item in items:
        if item.seq in seen or len(run) >= MAX_JOBS:
            yield run
            run, seen = [], set()
        run.append(item)
        seen.add(item.seq)
    if run:
        yield run


MAX_JOBS = 500
"""Jobs that one statement changes."""
