"""Drives a store in whole transactions, and makes a job in any state in one line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from holdfast.core.commands import Action
from holdfast.core.job import Claimed, ClaimRequest, Inserted, NewJob
from holdfast.core.outcome import Report, Settlement
from holdfast.core.records import HistoryRecord, JobRecord, Swept
from holdfast.core.states import State, Verb
from holdfast.storage.errors import Contended
from holdfast.storage.protocol import Store
from holdfast.storage.writes import (
    AcquireLease,
    Claim,
    Command,
    CommandAll,
    Expire,
    Heartbeat,
    Insert,
    Promote,
    R,
    RegisterWorker,
    Rescue,
    Settle,
    StoreReports,
    Write,
)
from holdfast.testing.clock import FakeClock
from holdfast.testing.factories import TYPE, new_job, worker_row

LEASE = 30.0
"""Seconds that the driver's workers stay alive without a heartbeat."""

MAX_TRIES = 20
"""So often a transaction is run again that others were in the way of."""

REACHABLE = tuple(state for state in State if state is not State.AWAITING)
"""States that the verbs of a store lead to; nothing makes a job wait for others yet."""


class StoreDriver:
    """Drives the verbs of a store, each call in its own transaction. `worker` is a registered worker process."""

    worker = "worker-1"

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self._numbers = count(1)
        self.register(self.worker)

    def run(self, write: Write[R]) -> R:
        """Make a write in a transaction of its own, repeated when others are in its way, as by a gateway."""
        for _ in range(MAX_TRIES):
            with suppress(Contended), self.store.transaction():
                return write.run(self.store)
        with self.store.transaction():
            return write.run(self.store)

    def insert(self, *jobs: NewJob) -> list[Inserted]:
        return self.run(Insert(jobs))

    def add(self, **fields: Any) -> JobRecord:
        """A stored job, made by `new_job`."""
        return self.read(self.insert(new_job(**fields))[0].id)

    def claim(
        self,
        *,
        worker: str | None = None,
        limit: int = 1,
        types: Collection[str] = (TYPE,),
        queues: Sequence[str] = (),
    ) -> list[Claimed]:
        request = ClaimRequest(worker or self.worker, limit, frozenset(types), tuple(queues))
        return self.run(Claim(request))

    def start(self, *, worker: str | None = None, **fields: Any) -> Claimed:
        """A new job that is being processed, in a queue of its own unless one is given."""
        queue = fields.setdefault("queue", f"queue-{next(self._numbers)}")
        job = self.add(**fields)
        [claimed] = self.claim(worker=worker, types=[job.type], queues=[queue])
        assert claimed.id == job.id
        return claimed

    def again(self, job_id: str, *, worker: str | None = None) -> Claimed:
        """Claim a job that is enqueued, alone in its queue."""
        job = self.read(job_id)
        [claimed] = self.claim(worker=worker, types=[job.type], queues=[job.queue])
        assert claimed.id == job_id
        return claimed

    def settle(self, *settlements: Settlement) -> list[str]:
        return self.run(Settle(settlements))

    def end(self, claimed: Claimed, verb: Verb, **fields: Any) -> str:
        """Settle one attempt by `verb`; returns what the store returns."""
        if verb in (Verb.RETRY_LATER, Verb.SNOOZE):
            fields.setdefault("run_at", self.clock() + 60_000_000)
        return self.settle(Settlement(claimed.seq, claimed.token, verb, **fields))[0]

    def report(self, claimed: Claimed, **fields: Any) -> str:
        """One report about an attempt; returns what the store returns."""
        return self.run(StoreReports([Report(claimed.seq, claimed.token, **fields)]))[0]

    def command(
        self, job_id: str, action: Action, *, actor: str | None = None, reason: str | None = None
    ) -> JobRecord | None:
        return self.run(Command(job_id, action, actor=actor, reason=reason))

    def command_all(
        self, job_ids: Sequence[str], action: Action, *, actor: str | None = None, reason: str | None = None
    ) -> list[str | None]:
        return self.run(CommandAll(job_ids, action, actor=actor, reason=reason))

    def register(self, worker: str, *, lease: float = LEASE, **fields: Any) -> str:
        self.run(RegisterWorker(worker_row(worker, **fields), lease=lease))
        return worker

    def heartbeat(self, *workers: str, lease: float = LEASE) -> set[str]:
        return self.run(Heartbeat(workers, lease=lease))

    def rescue(self, *dead: str) -> list[Swept]:
        return self.run(Rescue(dead))

    def promote(self, limit: int = 1000) -> tuple[int, int | None]:
        return self.run(Promote(limit))

    def expire(self, limit: int = 1000) -> int:
        return self.run(Expire(limit))

    def acquire_lease(self, role: str, holder: str, *, lease: float = LEASE) -> int | None:
        return self.run(AcquireLease(role, holder, lease=lease))

    def read(self, job_id: str) -> JobRecord:
        """A job that must be there."""
        job = self.store.job(job_id)
        assert job is not None, f"no job {job_id}"
        return job

    def path(self, job_id: str) -> list[str]:
        """The states of a job, oldest first, from its history."""
        return [row.state for row in self.store.history(job_id) if row.kind == "state"]

    def requests(self, job_id: str) -> list[HistoryRecord]:
        """The requests made for a job while it ran, oldest first."""
        return [row for row in self.store.history(job_id) if row.kind == "request"]

    def job_in(self, state: State, **fields: Any) -> JobRecord:
        """A job in `state` (one of REACHABLE), on the way that jobs take to it."""
        match state:
            case State.SCHEDULED:
                job_id = self.add(**{"delay": 3600.0, **fields}).id
            case State.ENQUEUED:
                job_id = self.add(**fields).id
            case State.PAUSED:
                job_id = self.add(**fields).id
                self.command(job_id, Action.PAUSE)
            case State.CANCELLED:
                job_id = self.add(**fields).id
                self.command(job_id, Action.CANCEL)
            case State.PROCESSING:
                job_id = self.start(**fields).id
            case State.SUCCEEDED | State.FAILED:
                claimed = self.start(**fields)
                self.end(claimed, Verb.SUCCEED if state is State.SUCCEEDED else Verb.FAIL)
                job_id = claimed.id
            case State.AWAITING:
                raise ValueError("no verb leads to awaiting yet")
        job = self.read(job_id)
        assert job.state == state
        return job
