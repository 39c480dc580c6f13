"""The store as it is meant, in plain Python without SQL: what each verb does to a job, written a second time."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.core.commands import Action
from holdfast.core.job import Claimed
from holdfast.core.states import DIED, LEASE_EXPIRED, Verb

SECOND = 1_000_000
DAY = 86_400 * SECOND
ACTIVE_STATES = {"scheduled", "awaiting", "enqueued", "processing", "paused"}
FINAL_STATES = {"succeeded", "failed", "cancelled"}
CRASHES_BEFORE_ISOLATION = 2
TARGET = {
    Verb.SUCCEED: "succeeded",
    Verb.FAIL: "failed",
    Verb.QUARANTINE: "failed",
    Verb.RETRY_LATER: "scheduled",
    Verb.SNOOZE: "scheduled",
    Verb.SUSPEND: "paused",
    Verb.STOP: "cancelled",
    Verb.RELEASE: "enqueued",
    Verb.CONTINUE: "enqueued",
}
COUNTS_AS_ATTEMPT = {Verb.SUCCEED, Verb.FAIL, Verb.QUARANTINE, Verb.RETRY_LATER}


class Refused(Exception):
    """The command must be refused with a Conflict."""


@dataclass
class Job:
    id: str
    number: int  # order of storing
    queue: str
    priority: int
    state: str
    run_at: int | None
    unique: str | None
    idempotent: str | None
    reason: str | None = None
    requested: str | None = None
    requested_reason: str | None = None
    token: int = 0
    attempt: int = 0
    max_attempts: int = 11
    continues: bool = False
    crashes: int = 0
    erred: bool = False
    worker: str | None = None
    saved: str | None = None
    progress: str | None = None
    lines: int = 0
    expires_at: int | None = None
    history_rows: int = 1
    seq: int | None = None  # what the store calls it, learned at the first claim

    def go(self, state: str, reason: str | None = None) -> None:
        self.state = state
        self.reason = reason
        self.history_rows += 1
        if state != "processing":
            self.requested = self.requested_reason = None

    def ask(self, request: str | None, reason: str | None) -> None:
        self.requested, self.requested_reason = request, reason
        self.history_rows += 1


@dataclass
class Worker:
    deadline: int
    state: str = "live"


@dataclass
class Model:
    now: int
    jobs: dict[str, Job] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    stored: int = 0

    # -- the way of a job ---------------------------------------------------------------------------------------

    def insert(
        self,
        job_id: str,
        *,
        queue: str,
        priority: int,
        delay: int | None,
        unique: str | None,
        idempotent: str | None,
    ) -> tuple[str, bool]:
        if job_id in self.jobs:
            return job_id, False
        for job in self.jobs.values():
            if idempotent is not None and job.idempotent == idempotent:
                return job.id, False
        for job in self.jobs.values():
            if unique is not None and job.unique == unique and job.state in ACTIVE_STATES:
                return job.id, False
        self.stored += 1
        run_at = self.now + delay * SECOND if delay else None
        state = "scheduled" if run_at else "enqueued"
        self.jobs[job_id] = Job(job_id, self.stored, queue, priority, state, run_at, unique, idempotent)
        return job_id, True

    def claim(self, worker: str, limit: int) -> list[str]:
        who = self.workers.get(worker)
        if who is None or who.state != "live" or who.deadline < self.now:
            return []
        ready = [
            job for job in self.jobs.values() if job.state == "enqueued" and job.queue not in self.paused
        ]
        best = sorted(ready, key=lambda job: (-job.priority, job.number))[:limit]
        for job in best:
            job.go("processing")
            job.token += 1
            job.attempt += 0 if job.continues else 1
            job.continues, job.worker, job.run_at = False, worker, None
        return [job.id for job in best]

    def holds(self, attempt: Claimed) -> bool:
        """Whether the job is still that of this attempt; one that was deleted and stored again is not."""
        job = self.jobs.get(attempt.id)
        if job is None or job.state != "processing":
            return False
        return (job.seq, job.token) == (attempt.seq, attempt.token)

    def report(self, attempt: Claimed, *, progress: str | None, saved: str | None, lines: int) -> str:
        if not self.holds(attempt):
            return "lost"
        job = self.jobs[attempt.id]
        job.progress = progress or job.progress
        job.saved = saved or job.saved
        job.lines += lines
        return job.requested or ""

    def settle(
        self,
        attempt: Claimed,
        verb: Verb,
        *,
        reason: str | None,
        run_at: int | None,
        keep: int | None,
        fails: bool,
        crashed: bool,
    ) -> str:
        if not self.holds(attempt):
            return "lost"
        job = self.jobs[attempt.id]
        target, why = TARGET[verb], reason
        if job.requested == "cancel":
            target, why, run_at, keep = "cancelled", job.requested_reason or "cancelled", None, self.now + DAY
        elif job.requested == "pause" and target in ("scheduled", "enqueued", "paused"):
            target, why = "paused", job.requested_reason or "paused"
        job.go(target, why)
        job.run_at = run_at
        job.continues = verb not in COUNTS_AS_ATTEMPT
        job.crashes += crashed
        job.erred = (job.erred or fails) and target != "succeeded"
        job.expires_at = keep if target in FINAL_STATES else None
        return target

    # -- what people ask ----------------------------------------------------------------------------------------

    def command(self, job_id: str, action: Action, reason: str | None) -> None:
        job = self.jobs[job_id]
        match action, job.state:
            case Action.DELETE, state if state in FINAL_STATES:
                del self.jobs[job_id]
            case Action.RETRY, "failed" | "cancelled" | "scheduled":
                twins = [other for other in self.jobs.values() if other.unique and other.unique == job.unique]
                if any(twin is not job and twin.state in ACTIVE_STATES for twin in twins):
                    raise Refused
                job.max_attempts = max(job.max_attempts, job.attempt + 1)
                job.run_at = job.expires_at = None
                job.crashes = 0
                job.go("enqueued", reason)
            case ((Action.PAUSE | Action.CANCEL), "processing"):
                if job.requested == "cancel" and action is Action.PAUSE:
                    raise Refused
                if job.requested != action.value:
                    job.ask(action.value, reason)
            case Action.RESUME, "processing" if job.requested == "pause":
                job.ask(None, reason)
            case Action.PAUSE, "scheduled" | "enqueued":
                job.go("paused", reason)
            case Action.RESUME, "paused":
                if job.run_at is None or job.run_at <= self.now:
                    job.go("enqueued", reason)
                else:
                    job.go("scheduled", "retry" if job.erred else reason)
            case Action.CANCEL, "scheduled" | "enqueued" | "paused":
                job.go("cancelled", reason)
                job.expires_at = self.now + DAY
            case _:
                raise Refused

    # -- maintenance ------------------------------------------------------------------------------

    def promote(self) -> tuple[int, int | None]:
        due = [
            job for job in self.jobs.values() if job.state == "scheduled" and (job.run_at or 0) <= self.now
        ]
        for job in due:
            job.go("enqueued", job.reason)
        waiting = [job.run_at for job in self.jobs.values() if job.state == "scheduled" and job.run_at]
        return len(due), min(waiting, default=None)

    def sweep(self, dead: str | None) -> dict[str, str]:
        for worker_id, worker in self.workers.items():
            if worker_id == dead or worker.deadline < self.now:
                worker.state = "lost"
        swept: dict[str, str] = {}
        for job in self.jobs.values():
            if job.state != "processing" or (
                job.worker in self.workers and self.workers[job.worker].state != "lost"
            ):
                continue
            if job.requested == "cancel":
                job.expires_at = self.now + DAY
                job.go("cancelled", job.requested_reason or "cancelled")
            elif job.requested == "pause":
                job.go("paused", job.requested_reason or "paused")
            else:
                job.go("enqueued", DIED if job.worker == dead else LEASE_EXPIRED)
            job.crashes = max(job.crashes, min(job.crashes + 1, CRASHES_BEFORE_ISOLATION))
            job.continues = True
            swept[job.id] = job.state
        return swept

    def expire(self) -> int:
        gone = [
            job.id for job in self.jobs.values() if job.expires_at is not None and job.expires_at <= self.now
        ]
        for job_id in gone:
            del self.jobs[job_id]
        return len(gone)

    def beat(self, worker: str, lease: int) -> bool:
        who = self.workers.get(worker)
        if who is None or who.state == "lost":
            return False
        who.deadline = self.now + lease * SECOND
        return True
