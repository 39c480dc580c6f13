"""The rows that a store returns, the same for every backend; the client turns them into views.

Times are integers: microseconds since the epoch, UTC. JSON columns are texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class JobRecord(NamedTuple):
    """One row of the jobs table, whole."""

    seq: int
    id: str
    type: str
    queue: str
    state: str
    reason: str | None
    actor: str | None
    requested: str | None
    requested_at: int | None
    requested_by: str | None
    requested_reason: str | None
    priority: int
    args: str
    owner: str | None
    tags: str | None
    progress: str | None
    result: str | None
    error_type: str | None
    error_message: str | None
    error_traceback: str | None
    attempt: int
    max_attempts: int
    crashes: int
    token: int
    worker: str | None
    timeout: float | None
    unique_key: str | None
    origin: str | None
    created_at: int
    changed_at: int
    run_at: int | None
    started_at: int | None
    finished_at: int | None
    expires_at: int | None
    saved_at: int | None


class HistoryRecord(NamedTuple):
    """One committed change of one job: a new state, or a request (`kind` "state" | "request")."""

    seq: int
    at: int
    kind: str
    state: str
    reason: str | None
    actor: str | None
    attempt: int
    worker: str | None


class SavedRecord(NamedTuple):
    """The last saved state of a job as JSON text, when it was stored, and how often one was."""

    saved: str
    at: int
    times: int


class LogRecord(NamedTuple):
    """One line of a job's console; `n` orders the lines of all jobs."""

    n: int
    at: int
    level: str
    message: str
    fields: str | None
    attempt: int


class QueueRecord(NamedTuple):
    """A queue with what waits in it. `oldest` = when its longest-waiting enqueued job was stored."""

    name: str
    enqueued: int
    processing: int
    scheduled: int
    paused_jobs: int
    oldest: int | None
    paused_at: int | None
    paused_by: str | None
    paused_reason: str | None


class WorkerRecord(NamedTuple):
    """A worker process. `state`: live | draining | lost. JSON columns are texts."""

    id: str
    name: str
    host: str
    pid: int
    version: str
    state: str
    queues: str
    types: str
    slots: int
    busy: int
    started_at: int
    heartbeat_at: int
    lost_at: int | None


class LeaderRecord(NamedTuple):
    """The current leader of a role: its lease is valid. `since` = when this term began."""

    role: str
    holder: str
    term: int
    since: int


class TypeRecord(NamedTuple):
    """A published job type: a TypeRow, and when it was published last."""

    name: str
    queue: str
    schema: str
    doc: str
    signature: str
    executor: str
    max_attempts: int
    timeout: float | None
    priority: int
    tags: str | None
    retention: str | None
    updated_at: int


EVENT_KINDS = ("state", "request", "progress", "log", "removed", "queue", "worker")
"""The kinds of events; a store may keep the place in this list. Those of the first two are a job's history."""


class EventRecord(NamedTuple):
    """One committed fact, in commit order. `kind`: one of EVENT_KINDS.

    `previous` is the state before (None for a new job); `job` is None for facts about queues and workers.
    """

    seq: int
    at: int
    kind: str
    job: str | None
    state: str | None
    previous: str | None


class BucketRecord(NamedTuple):
    """What ended in one time bucket. `at` = start of the bucket."""

    at: int
    succeeded: int
    failed: int
    cancelled: int
    started: int


class PartitionRecord(NamedTuple):
    """The jobs of one queue and type that are enqueued: how many, counted up to a cap, and when the one that was stored
    first became so."""

    queue: str
    type: str
    enqueued: int
    oldest: int


class OutcomeRecord(NamedTuple):
    """How the attempts of a type have ended. `failing`: those that failed after the newest minute in which one succeeded,
    `failing_since` the minute of the first of them."""

    type: str
    succeeded: int
    failed: int
    failing: int
    failing_since: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of jobs by key. Cursors are opaque; None = no more. `searched` = how many rows an unindexed term looked at
    before its budget ended (None = all that could match)."""

    items: list[JobRecord]
    next_cursor: str | None
    previous_cursor: str | None
    searched: int | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs match. `capped` = at least that many; the rest was not counted."""

    count: int
    capped: bool


class Asked(NamedTuple):
    """A request that a worker has to pass on to a running job."""

    seq: int
    token: int
    requested: str | None
    requested_at: int | None


class Swept(NamedTuple):
    """What a sweep over dead workers did with one job."""

    id: str
    type: str
    worker: str | None
    state: str
    crashes: int
