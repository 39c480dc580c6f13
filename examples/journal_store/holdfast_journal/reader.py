"""Reads the committed rows that are in memory, without waiting for a writer."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from holdfast.core.dump import (
    Key,
    Part,
    Seal,
    WholeHistory,
    WholeJob,
    WholeLog,
    WholeQueue,
    WholeSaved,
    key_of,
)
from holdfast.core.dump import Row as WholeRow
from holdfast.core.job import CRASHES_BEFORE_ISOLATION
from holdfast.core.query import STATES, Candidate, JobState, Node, Query, matches, without_states
from holdfast.core.query.nodes import all_of
from holdfast.core.records import (
    Asked,
    BucketRecord,
    Count,
    EventRecord,
    HistoryRecord,
    JobRecord,
    LeaderRecord,
    LogRecord,
    Page,
    QueueRecord,
    SavedRecord,
    TypeRecord,
    WorkerRecord,
)
from holdfast.core.states import Request, State
from holdfast.storage.cursors import Position, read_cursor, read_sort, write_cursor
from holdfast.storage.verbs.jobs import MAX_IDS
from holdfast_journal.insight import InsightVerbs
from holdfast_journal.journal import Journal, Row
from holdfast_journal.writer import HISTORY, SECOND, record

WHOLE: Final = {
    Part.SAVED: WholeSaved,
    Part.LOGS: WholeLog,
    Part.HISTORY: WholeHistory,
    Part.QUEUES: WholeQueue,
    Part.TYPES: TypeRecord,
    Part.BUCKETS: BucketRecord,
}


def wall_clock() -> int:
    """Microseconds since the epoch; all processes share the host, so due times and leases follow one clock."""
    return time.time_ns() // 1000


class JournalReader(InsightVerbs):
    """The reading verbs, from any thread."""

    _journal: Journal
    now: Callable[[], int]

    def job(self, job_id: str) -> JobRecord | None:
        return next((record(job) for job in self._journal.rows("jobs") if job["id"] == job_id), None)

    def jobs(self, ids: Sequence[str], query: Query | None = None) -> list[JobRecord]:
        wanted = set(ids[:MAX_IDS])
        return [job for job in self._find(query and query.root) if job.id in wanted]

    def _seq(self, job_id: str) -> int | None:
        job = self.job(job_id)
        return None if job is None else job.seq

    def history(self, job_id: str) -> list[HistoryRecord]:
        rows = [row for row in self._history() if row["job"] == self._seq(job_id)]
        return [HistoryRecord._make(row[name] for name in HistoryRecord._fields) for row in rows]

    def _history(self) -> list[Row]:
        return [row for row in self._journal.rows("events") if row["kind"] in HISTORY]

    def saved(self, job_id: str) -> SavedRecord | None:
        row = self._journal.get("saved", self._seq(job_id) or 0)
        return None if row is None else SavedRecord(row["saved"], row["at"], row["times"])

    def logs(self, job_id: str, *, after: int, limit: int, before: int | None = None) -> list[LogRecord]:
        seq = self._seq(job_id)
        rows = [row for row in self._journal.rows("logs") if row["job"] == seq]
        lines = [LogRecord._make(row[name] for name in LogRecord._fields) for row in rows]
        lines = [line for line in lines if before is None or line.n < before]
        if after < 0:
            return lines[max(after, -limit) :]
        return [line for line in lines if line.n > after][:limit]

    def log_count(self, job_id: str, *, before: int | None = None) -> int:
        seq = self._seq(job_id)
        numbers = [row["n"] for row in self._journal.rows("logs") if row["job"] == seq]
        return sum(before is None or n < before for n in numbers)

    # -- many jobs -------------------------------------------------------------------------------------------

    def _find(self, root: Node | None) -> list[JobRecord]:
        workers = {row["id"]: (row["name"], row["host"]) for row in self._journal.rows("workers")}
        jobs = [record(row) for row in self._journal.rows("jobs")]
        if root is None:
            return jobs
        claimable: dict[int, int] = {}  # when each last became claimable before its attempt started
        started = {job.seq: job.started_at or 0 for job in jobs}
        for row in self._history():
            if (row["kind"], row["state"]) == ("state", State.ENQUEUED) and row["at"] <= started.get(
                row["job"], 0
            ):
                claimable[row["job"]] = row["at"]
        found = [Candidate(job, workers.get(job.worker or "", ()), claimable.get(job.seq)) for job in jobs]
        return [candidate.job for candidate in found if matches(root, candidate)]

    def search(self, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
        order = read_sort(sort)
        place = read_cursor(cursor, sort=sort, text=query.text) if cursor else Position()
        sign = -1 if order.descending else 1

        def rank(seq: int, key: int | None) -> tuple[bool, int, int]:
            return key is None, sign * (key or 0), sign * seq

        def key(job: JobRecord) -> int | None:
            values = {"run_at": job.run_at, "finished": job.finished_at, "priority": job.priority}
            if job.finished_at is not None and job.started_at is not None:
                values["duration"] = job.finished_at - job.started_at
            return 0 if order.name == "created" else values.get(order.name)

        def at(job: JobRecord, *, back: bool) -> str:
            return write_cursor(Position(job.seq, key(job), back), sort=sort, text=query.text)

        jobs = sorted(self._find(query.root), key=lambda job: rank(job.seq, key(job)))
        ranks = [rank(job.seq, key(job)) for job in jobs]
        start, end = 0, limit
        if place.seq is not None:
            here = rank(place.seq, place.key)
            start = bisect_left(ranks, here) - limit if place.back else bisect_right(ranks, here)
            start, end = max(0, start), start + limit
        if place.back and end <= 0:  # what was before is gone
            start, end = 0, limit
        items = jobs[start:end]
        before = at(items[0], back=True) if items and start > 0 else None
        return Page(items, at(items[-1], back=False) if end < len(jobs) else None, before)

    def count(self, query: Query, *, cap: int) -> Count:
        found = len(self._find(query.root))
        return Count(min(found, cap), found > cap)

    def count_by_state(self, query: Query, *, cap: int) -> dict[str, Count]:
        found = self._find(without_states(query.root))
        counts = Counter(job.state for job in found)
        retrying = all_of([JobState((STATES["retrying"],))])
        counts["retrying"] = sum(matches(retrying, Candidate(job)) for job in found)
        names = (*(state.value for state in State), "retrying")
        return {name: Count(min(counts[name], cap), counts[name] > cap) for name in names}

    def states(self) -> dict[str, int]:
        counts = Counter(job["state"] for job in self._journal.rows("jobs"))
        return {state.value: counts[state] for state in State}

    def queues(self) -> list[QueueRecord]:
        jobs, paused = self._journal.rows("jobs"), {row["name"]: row for row in self._journal.rows("queues")}
        types = {row["queue"] for row in self._journal.rows("types")}
        names = sorted({job["queue"] for job in jobs} | types | paused.keys())
        return [self._queue(name, [job for job in jobs if job["queue"] == name], paused) for name in names]

    def _queue(self, name: str, jobs: list[Row], paused: dict[str, Row]) -> QueueRecord:
        counts = Counter(job["state"] for job in jobs)
        shown = (counts[state] for state in (State.ENQUEUED, State.PROCESSING, State.SCHEDULED, State.PAUSED))
        oldest = next((job["changed_at"] for job in jobs if job["state"] == State.ENQUEUED), None)
        asked = paused.get(name, {})
        pause = (asked.get(field) for field in ("paused_at", "paused_by", "paused_reason"))
        return QueueRecord._make((name, *shown, oldest, *pause))

    def buckets(self, *, since: int, step: int) -> list[BucketRecord]:
        sums: dict[int, Counter[str]] = {}
        for row in self._journal.rows("buckets"):
            if row["at"] >= since // SECOND * SECOND:
                sums.setdefault(row["at"] // (step * SECOND) * step * SECOND, Counter()).update(row)
        columns = BucketRecord._fields[1:]
        return [BucketRecord(at, *(sums[at][name] for name in columns)) for at in sorted(sums)]

    # -- workers, types, leaders -----------------------------------------------------------------------------

    def workers(self) -> list[WorkerRecord]:
        busy = Counter(job["worker"] for job in self._processing())
        rows = [row | {"busy": busy[row["id"]]} for row in self._journal.rows("workers")]
        rows = [row | {"state": "lost"} if row["deadline"] < self.now() else row for row in rows]
        rows.sort(key=lambda row: (row["state"] == "lost", row["started_at"], row["id"]))
        return [WorkerRecord._make(row[name] for name in WorkerRecord._fields) for row in rows]

    def leaders(self) -> list[LeaderRecord]:
        rows = [row for row in self._journal.rows("leaders") if row["holder"] is not None]
        rows = [row for row in rows if row["deadline"] >= self.now()]
        return sorted(LeaderRecord._make(row[name] for name in LeaderRecord._fields) for row in rows)

    def types(self) -> list[TypeRecord]:
        rows = sorted(self._journal.rows("types"), key=lambda row: row["name"])
        return [TypeRecord._make(row[name] for name in TypeRecord._fields) for row in rows]

    def _processing(self) -> list[Row]:
        return [job for job in self._journal.rows("jobs") if job["state"] == State.PROCESSING]

    def pending_requests(self, workers: Sequence[str]) -> list[Asked]:
        jobs = [job for job in self._processing() if job["requested"] is not None]
        jobs = [job for job in jobs if job["worker"] in workers]
        return [Asked(job["seq"], job["token"], job["requested"], job["requested_at"]) for job in jobs]

    def claims_of(self, worker: str) -> list[tuple[int, int]]:
        return [(job["seq"], job["token"]) for job in self._processing() if job["worker"] == worker]

    def overdue(self, workers: Sequence[str], *, grace: float) -> list[tuple[str, str]]:
        limit = self.now() - int(grace * SECOND)

        def late(job: Row) -> bool:
            if job["requested"] == Request.CANCEL and job["requested_at"] < limit:
                return True
            # a suspect may wait for its child: its time has not begun
            seconds = job["timeout"] if job["crashes"] < CRASHES_BEFORE_ISOLATION else None
            return seconds is not None and job["started_at"] + seconds * SECOND < limit

        jobs = [job for job in self._processing() if job["worker"] in workers and late(job)]
        return [(job["worker"], job["id"]) for job in jobs]

    # -- the clock and the feed ------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        jobs = [job for job in self._journal.rows("jobs") if job["state"] == State.SCHEDULED]
        return min((job["run_at"] for job in jobs), default=None)

    def last_event(self) -> int:
        return (self._journal.get("meta", "event") or {"value": 0})["value"]

    def oldest_event(self) -> int:
        passing = (row["seq"] for row in self._journal.rows("events") if row["kind"] not in HISTORY)
        return next(passing, 0)

    def _events(self, after: int) -> list[Row]:
        return [row for row in self._journal.rows("events") if row["seq"] > after]

    def events(self, *, after: int, limit: int) -> list[EventRecord]:
        events = self._events(after)[:limit]
        rows = [row | {"job": self._job_of(row)} for row in events]
        return [EventRecord._make(row[name] for name in EventRecord._fields) for row in rows]

    def _job_of(self, event: Row) -> str | None:
        """The id that an event is about; None when the job has been removed since."""
        if event["kind"] == "removed" or event["job"] is None:
            return event["job"]
        job = self._journal.get("jobs", event["job"])
        return None if job is None else job["id"]

    def changed(self, *, after: int, ids: Sequence[str]) -> set[str]:
        return set(ids) & {self._job_of(row) for row in self._events(after)}

    def transition_counts(self, *, after: int) -> dict[tuple[str | None, str | None], int]:
        moves = [row for row in self._events(after) if row["kind"] in ("state", "removed")]
        return Counter((row["previous"], row["state"]) for row in moves)

    # -- copying a whole store -------------------------------------------------------------------------------

    def sealed(self) -> Seal | None:
        seal = self._journal.get("meta", "seal")
        return None if seal is None else Seal(**seal)

    def dump(self, part: Part, *, after: Key | None, limit: int) -> list[WholeRow]:
        table = self._history() if part is Part.HISTORY else self._journal.rows(part)
        rows = sorted((self._whole(part, row) for row in table), key=key_of)
        return [row for row in rows if after is None or key_of(row) > after][:limit]  # type: ignore[operator]

    def _whole(self, part: Part, row: Row) -> WholeRow:
        if part is Part.JOBS:
            rest = (row[name] for name in WholeJob._fields[2:])
            return WholeJob(record(row), bool(row["continues"]), *rest)
        return WHOLE[part]._make(row[name] for name in WHOLE[part]._fields)

    def write_lock_holder(self) -> tuple[int, int] | None:
        return self._journal.writer()
