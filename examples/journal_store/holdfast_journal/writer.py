"""Makes every change of a job, guarded by its state and token, with its history and events."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

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
    decide,
)
from holdfast.core.dump import Part, Seal, WholeJob, key_of
from holdfast.core.dump import Row as WholeRow
from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import Claimed, ClaimRequest, Inserted, NewJob
from holdfast.core.outcome import Report, Settlement, answer_request
from holdfast.core.records import JobRecord, Swept
from holdfast.core.rescue import decide_rescue
from holdfast.core.retention import (
    KEEP_BUCKETS,
    KEEP_EVENTS,
    KEEP_LOST_WORKERS,
    KEEP_OUTCOMES,
    Retention,
    expires_at,
    format_retention,
)
from holdfast.core.sizes import HISTORY_CLAIMS, MAX_HISTORY, MAX_LOG_LINES
from holdfast.core.states import (
    ACTIVE_STATES,
    DIED,
    FINAL_STATES,
    LEASE_EXPIRED,
    TRANSITIONS,
    Request,
    State,
    Verb,
)
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.verbs.maintenance import MINUTE
from holdfast_journal.fleet import SECOND, FleetVerbs
from holdfast_journal.insight import ends_attempt
from holdfast_journal.journal import Journal, Row

BUCKET: Final = 10 * SECOND
HISTORY: Final = ("state", "request")
"""Events that live as long as their job; the others pass."""
COUNTED: Final = {State.PROCESSING.value: "started"} | {state.value: state.value for state in FINAL_STATES}
NOTHING_ASKED: Final = dict.fromkeys(("requested", "requested_at", "requested_by", "requested_reason"))


def table_of(part: Part) -> str:
    return "events" if part is Part.HISTORY else part.value


def record(job: Row) -> JobRecord:
    """A row of jobs as the layers above see it."""
    return JobRecord._make(job[name] for name in JobRecord._fields)


def _since(job: Row) -> int:
    """When a job was changed or asked for something last."""
    return max(job["changed_at"] or 0, job["requested_at"] or 0)


class JournalWriter(FleetVerbs):
    """The writing verbs. The gateway calls them within `transaction`; `self._draft` is what this one has changed."""

    _journal: Journal
    _retention: Retention

    @contextmanager
    def transaction(self, *, sealed: bool = False) -> Generator[None]:
        with self._journal.transaction() as self._draft:
            seal = self._draft.get("meta", "seal")
            if seal is not None and not sealed:
                raise StorageUnavailable(seal["words"])
            yield

    def prove(self) -> None:
        self._draft.put("meta", "proved", {"value": self.now()})

    def unlocked(self, seqs: Sequence[int]) -> set[int]:
        return set(seqs)

    # -- the way of a job ------------------------------------------------------------------------------------

    def insert(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        return [self._insert(job) for job in jobs]

    def _insert(self, job: NewJob) -> Inserted:
        if not isinstance(job.args, str):
            raise TypeError("arguments must be JSON text")
        if (there := self._same(job)) is not None:
            return Inserted(there["id"], False)
        now, seq = self.now(), self._next("job")
        state, run_at = job.first_state(now)
        tags = json.dumps(list(dict.fromkeys(job.tags)), ensure_ascii=False) if job.tags else None
        row = dict.fromkeys(JobRecord._fields) | asdict(job) | {"tags": tags, "seq": seq}
        row |= {"retention": format_retention(job.retention), "run_at": run_at}
        row |= dict.fromkeys(("attempt", "crashes", "token", "continues", "log_lines"), 0) | {
            "created_at": now
        }
        self._move(row, state, None, job.actor)
        return Inserted(job.id, True)

    def _same(self, job: NewJob) -> Row | None:
        """The job that is there already: by its id, else by idempotency key, else by a unique key that it holds."""
        jobs = self._draft.rows("jobs")
        same = [other for other in jobs if other["id"] == job.id]
        if job.idempotency_key is not None:
            same += [other for other in jobs if other["idempotency_key"] == job.idempotency_key]
        if job.unique_key is not None:
            holders = [other for other in jobs if other["unique_key"] == job.unique_key]
            same += [
                other for other in holders if other["type"] == job.type and other["state"] in ACTIVE_STATES
            ]
        return same[0] if same else None

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        now, worker = self.now(), self._draft.get("workers", request.worker)
        if worker is None or worker["state"] != "live" or worker["deadline"] < now:
            return []
        paused = {queue["name"] for queue in self._draft.rows("queues") if queue["paused_at"] is not None}
        ready = [job for job in self._in(State.ENQUEUED) if job["type"] in request.types]
        ready = [job for job in ready if not request.queues or job["queue"] in request.queues]
        ready = [job for job in ready if job["queue"] not in paused]
        ready.sort(key=lambda job: (-job["priority"], job["seq"]))
        return [self._claim(job, request.worker, now) for job in ready[: request.limit]]

    def _claim(self, job: Row, worker: str, now: int) -> Claimed:
        attempt = job["attempt"] + 1 - job["continues"]
        taken = {"token": job["token"] + 1, "attempt": attempt, "continues": 0, "worker": worker}
        job = job | taken | {"started_at": max(now, _since(job)), "run_at": None, "finished_at": None}
        job = self._move(job, State.PROCESSING, None, None)
        saved = self._draft.get("saved", job["seq"])
        return Claimed._make((job | {"saved": saved and saved["saved"]})[name] for name in Claimed._fields)

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        return [self._settle(settlement) for settlement in settlements]

    def _settle(self, s: Settlement) -> str:
        if self._held(s.seq, s.token) is None:
            return LOST
        if s.report is not None:
            self._report(s.report)
        job = self._draft.get("jobs", s.seq) or {}
        continues = int(
            not TRANSITIONS[s.verb].counts_attempt
        )  # a failure counts, whatever was asked meanwhile
        if job["requested"] is not None:
            keep = expires_at(State.CANCELLED, job["retention"], self._retention, self.now())
            request = Request(job["requested"])
            s = answer_request(s, request, job["requested_reason"], job["requested_by"], keep)
        done, ended = s.target is State.SUCCEEDED, s.target in FINAL_STATES
        job = job | {"continues": continues, "crashes": job["crashes"] + s.crashed}
        job |= {"run_at": s.run_at, "finished_at": self._at(job) if ended else None}
        job |= {"expires_at": s.keep if ended else None}
        if s.result is not None:
            job["result"] = s.result
        if done or s.error is not None:
            error = None if done else s.error
            job["error_type"], job["error_message"] = (error.type, error.message) if error else (None, None)
            job["error_traceback"] = error.traceback if error else None
        self._move(job, s.target, None if done else s.reason, None if done else s.actor)
        if s.token % HISTORY_CLAIMS == 0:
            self._forget_history(s.seq)
        return s.target

    def report(self, reports: Sequence[Report]) -> list[str]:
        return [self._report(report) for report in reports]

    def _report(self, report: Report) -> str:
        job = self._held(report.seq, report.token)
        if job is None:
            return LOST
        job, now, seq = job.copy(), self.now(), report.seq
        if report.progress is not None:
            job |= {"progress": report.progress, "changed_at": max(now, job["changed_at"])}
            self._tell("progress", job=seq, state=job["state"])
        if report.saved is not None:
            times = (self._draft.get("saved", seq) or {"times": 0})["times"] + 1
            saved = {"job": seq, "saved": report.saved, "at": now, "times": times}
            self._draft.put("saved", seq, saved)
            job |= {"saved_at": now}
        lines = report.logs[: max(0, MAX_LOG_LINES - job["log_lines"])]
        for line in lines:
            n = self._next("line")
            self._draft.put("logs", n, asdict(line) | {"n": n, "job": seq, "attempt": job["attempt"]})
        if lines:
            self._tell("log", job=seq)
        self._draft.put("jobs", seq, job | {"log_lines": job["log_lines"] + len(lines)})
        return job["requested"] or ""

    # -- what people ask -------------------------------------------------------------------------------------

    def command(
        self, job_id: str, action: Action, *, actor: str | None, reason: str | None
    ) -> JobRecord | None:
        [refused] = self.command_all([job_id], action, actor=actor, reason=reason)
        check_refusal(job_id, refused)
        return next((record(job) for job in self._draft.rows("jobs") if job["id"] == job_id), None)

    def command_all(
        self, job_ids: Sequence[str], action: Action, *, actor: str | None, reason: str | None
    ) -> list[str | None]:
        asked = frozenset(job_ids)
        jobs = sorted(
            (job for job in self._draft.rows("jobs") if job["id"] in asked), key=lambda job: job["seq"]
        )
        refused = dict.fromkeys(job_ids, GONE)
        refused |= {job["id"]: self._command(job, action, actor, reason) for job in jobs}
        return [refused[job_id] for job_id in job_ids]

    def _command(self, job: Row, action: Action, actor: str | None, reason: str | None) -> str | None:
        """Do it, or answer why not."""
        asked = Request(job["requested"]) if job["requested"] else None
        match decide(action, Facts(State(job["state"]), asked, job["run_at"], False, self.now())):
            case Reject(why):
                return why
            case Delete():
                self._remove([job])
                return None
            case SetRequest(request) if request is not asked:
                names = ("requested", "requested_at", "requested_by", "requested_reason")
                job = {**job, **dict(zip(names, (request, self._at(job), actor, reason), strict=True))}
                self._draft.put("jobs", job["seq"], job)
                self._tell_of(job, job["requested_at"], "request", request or "", job["state"], reason, actor)
            case ChangeState(verb) if verb is Verb.RETRY and self._key_is_held(job):
                return KEY_HELD
            case ChangeState(verb):
                self._moved_by_hand(job, verb, actor, reason)
            case _:
                pass  # asked before: the first request and its author stand
        self._forget_history(job["seq"])
        return None

    def _key_is_held(self, job: Row) -> bool:
        """Whether another live job of this type holds the unique key of this one."""
        if job["unique_key"] is None:
            return False
        others = [other for other in self._draft.rows("jobs") if other["unique_key"] == job["unique_key"]]
        others = [
            other for other in others if other["type"] == job["type"] and other["state"] in ACTIVE_STATES
        ]
        return any(other["seq"] != job["seq"] for other in others)

    def _moved_by_hand(self, job: Row, verb: Verb, actor: str | None, reason: str | None) -> Row:
        target = TRANSITIONS[verb].target
        if verb is Verb.RETRY:
            attempts = max(job["max_attempts"], job["attempt"] + 1)
            job = job | {"max_attempts": attempts, "crashes": 0, "run_at": None}
        elif verb is Verb.RESUME_LATER and job["error_type"] is not None:
            reason = "retry"  # it was paused between two attempts, and waits for the next one again
        ended = target in FINAL_STATES
        job = job | {"finished_at": self._at(job) if ended else None}
        return self._move(
            job | {"expires_at": expires_at(target, job["retention"], self._retention, self.now())},
            target,
            reason,
            actor,
        )

    def pause_queue(self, name: str, *, actor: str | None, reason: str | None) -> None:
        since = (self._draft.get("queues", name) or {}).get("paused_at") or self.now()
        paused = {"name": name, "paused_at": since, "paused_by": actor, "paused_reason": reason}
        self._draft.put("queues", name, paused)
        self._tell("queue", state="paused")

    def resume_queue(self, name: str, *, actor: str | None) -> None:
        names = ("paused_at", "paused_by", "paused_reason")
        self._draft.put("queues", name, {"name": name} | dict.fromkeys(names))
        self._tell("queue", state="open")

    # -- maintenance ------------------------------------------------------------------------------------------

    def promote(self, limit: int) -> tuple[int, int | None]:
        waiting = sorted(self._in(State.SCHEDULED), key=lambda job: job["run_at"])
        due = [job for job in waiting if job["run_at"] <= self.now()][:limit]
        for job in due:
            self._move(job, State.ENQUEUED, job["reason"], None)
        return len(due), waiting[len(due)]["run_at"] if len(due) < len(waiting) else None

    def rescue(self, dead: Sequence[str] = (), *, why: str = DIED) -> list[Swept]:
        now, alive = self.now(), set[str]()
        for worker in self._draft.rows("workers"):
            if worker["state"] == "lost":
                if worker["lost_at"] < now - KEEP_LOST_WORKERS:
                    self._draft.put("workers", worker["id"], None)
            elif worker["id"] in dead or worker["deadline"] < now:
                self._draft.put("workers", worker["id"], worker | {"state": "lost", "lost_at": now})
                self._tell("worker")
            else:
                alive.add(worker["id"])
        orphans = [job for job in self._in(State.PROCESSING) if job["worker"] not in alive]
        return [self._rescue(job, why if job["worker"] in dead else LEASE_EXPIRED) for job in orphans]

    def _rescue(self, job: Row, why: str) -> Swept:
        asked = {name: job[name] for name in ("requested", "requested_reason", "requested_by")}
        kept = {"crashes": job["crashes"], "retention": job["retention"], "default": self._retention}
        done = decide_rescue(**asked, **kept, why=why, now=self._at(job))
        changed = {"crashes": done.crashes, "continues": int(done.continues)}
        changed |= {"finished_at": done.finished_at, "expires_at": done.expires_at}
        self._move(job | changed, done.target, done.reason, done.actor)
        return Swept(job["id"], job["type"], job["worker"], done.target, done.crashes)

    def expire(self, limit: int) -> int:
        now = self.now()
        over = [job for job in self._draft.rows("jobs") if job["expires_at"] is not None]
        over = [job for job in over if job["expires_at"] <= now and job["state"] in FINAL_STATES]
        over.sort(key=lambda job: job["expires_at"])
        self._remove(over[:limit])
        passing = [event for event in self._draft.rows("events") if event["kind"] not in HISTORY]
        for event in passing[:-1]:  # the newest stays, so that `oldest_event` can tell that others are gone
            if event["at"] < now - KEEP_EVENTS:
                self._draft.put("events", event["seq"], None)
        for bucket in self._draft.rows("buckets"):
            if bucket["at"] < now - KEEP_BUCKETS * SECOND:
                self._draft.put("buckets", bucket["at"], None)
        for row in self._draft.rows("outcomes"):
            if row["at"] < now - KEEP_OUTCOMES * SECOND:
                self._draft.put("outcomes", f"{row['at']} {row['type']}", None)
        return len(over[:limit])

    def aggregate_events(self, limit: int) -> int:
        since = self._number("rolled_up")
        until = min(self._number("event"), since + limit)
        for event in self._draft.rows("events"):
            if since < event["seq"] <= until and event["kind"] == "state":
                self._sum_up(event)
        self._count_on("rolled_up", until)  # with the sums, so that nothing counts twice
        return until - since

    def _sum_up(self, event: Row) -> None:
        if event["state"] in COUNTED:
            at, name = event["at"] // BUCKET * BUCKET, COUNTED[event["state"]]
            bucket = self._draft.get("buckets", at) or {"at": at} | dict.fromkeys(COUNTED.values(), 0)
            self._draft.put("buckets", at, bucket | {name: bucket[name] + 1})
        job = self._draft.get("jobs", event["job"])
        if job is not None and ends_attempt(event):
            at, name = (
                event["at"] // MINUTE * MINUTE,
                "succeeded" if event["state"] == State.SUCCEEDED else "failed",
            )
            key = f"{at} {job['type']}"
            row = self._draft.get("outcomes", key) or {
                "at": at,
                "type": job["type"],
                "succeeded": 0,
                "failed": 0,
            }
            self._draft.put("outcomes", key, row | {name: row[name] + 1})

    # -- copying a whole store -------------------------------------------------------------------------------

    def seal(self, seal: Seal | None) -> None:
        self._draft.put("meta", "seal", None if seal is None else seal._asdict())

    def load(self, part: Part, rows: Sequence[WholeRow]) -> int:
        new = [row for row in rows if self._draft.get(table_of(part), key_of(row)) is None]
        for row in new:
            whole = row._asdict()
            if isinstance(row, WholeJob):
                whole |= whole.pop("job")._asdict()
            self._draft.put(table_of(part), key_of(row), {"previous": None} | whole)
        numbers = {Part.JOBS: ["job"], Part.LOGS: ["line"], Part.HISTORY: ["event", "rolled_up"]}
        for name in numbers.get(part, ()):
            self._count_on(name, max((int(key_of(row)) for row in rows), default=0))
        return len(new)

    # -- what the verbs share --------------------------------------------------------------------------------

    def _in(self, state: State) -> list[Row]:
        return [job for job in self._draft.rows("jobs") if job["state"] == state]

    def _held(self, seq: int, token: int) -> Row | None:
        """The guard: the job, if this attempt still holds it."""
        job = self._draft.get("jobs", seq)
        fits = job is not None and job["state"] == State.PROCESSING and job["token"] == token
        return job if fits else None

    def _move(self, job: Row, state: State, reason: str | None, actor: str | None) -> Row:
        """The only way to another state: the job and its events change together. A pending request
        ends with that."""
        at, previous = self._at(job), job["state"]
        job = job | NOTHING_ASKED | {"state": state, "reason": reason, "actor": actor, "changed_at": at}
        self._draft.put("jobs", job["seq"], job)
        self._tell_of(job, at, "state", state, previous, reason, actor)
        return job

    def _at(self, job: Row) -> int:
        """The time of a change, which is never before the job's last history row: a clock may be set back."""
        return max(self.now(), _since(job))

    def _tell_of(
        self, job: Row, at: int, kind: str, state: str, previous: str | None, *who: str | None
    ) -> None:
        facts = dict(zip(("reason", "actor"), who, strict=True))
        facts |= {"at": at, "job": job["seq"], "attempt": job["attempt"], "worker": job["worker"]}
        self._tell(kind, state=state, previous=previous, **facts)

    def _forget_history(self, seq: int) -> None:
        """A job that goes round and round keeps the first row of its history, and the newest."""
        events = [event for event in self._draft.rows("events") if event["job"] == seq]
        for event in [event for event in events if event["kind"] in HISTORY][1:-MAX_HISTORY]:
            self._draft.put("events", event["seq"], None)

    def _remove(self, jobs: Sequence[Row]) -> None:
        """The jobs and all that belongs to them; only the event of their removal stays."""
        gone = {job["seq"] for job in jobs}
        for event in self._draft.rows("events"):
            if event["job"] in gone and event["kind"] in HISTORY:
                self._draft.put("events", event["seq"], None)
        for line in self._draft.rows("logs"):
            if line["job"] in gone:
                self._draft.put("logs", line["n"], None)
        for job in jobs:
            self._draft.put("jobs", job["seq"], None)
            self._draft.put("saved", job["seq"], None)
            self._tell("removed", job=job["id"], previous=job["state"])
