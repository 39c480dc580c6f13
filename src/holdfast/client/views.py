"""The views that page, REST and command line share."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from holdfast.client.reading import Row
from holdfast.core import records


class View(BaseModel):
    """A value for output. Times are UTC; REST writes them as RFC 3339."""

    model_config = ConfigDict(frozen=True, defer_build=True)  # a worker outputs none of them


class StoredView(View):
    """The view of a stored row. `unreadable`: the columns that cannot be read, each with the reason; they are empty here,
    and a time is the nearest one that can be shown."""

    unreadable: dict[str, str] = Field(default_factory=dict[str, str])


class Bar(View):
    """One named progress bar. `total` None = unknown. `held` = done at the last durable checkpoint."""

    name: str
    done: FiniteFloat
    total: FiniteFloat | None = None
    message: str | None = None
    held: FiniteFloat | None = None


class Progress(View):
    """The main bar of a job, and the named ones beside it."""

    done: FiniteFloat
    total: FiniteFloat | None = None
    message: str | None = None
    held: FiniteFloat | None = None
    bars: list[Bar] = Field(default_factory=list[Bar])


class ErrorView(View):
    """The last failure of a job, as text."""

    type: str
    message: str
    traceback: str | None = None


class JobView(StoredView):
    """A job as REST, pages and command line show it (see docs/reference for each field)."""

    id: str
    type: str
    queue: str
    state: str
    reason: str | None = None
    actor: str | None = None
    requested: str | None = None
    requested_at: datetime | None = None
    requested_by: str | None = None
    requested_reason: str | None = None
    priority: int = 0
    args: Any = None
    owner: str | None = None
    tags: list[str] = Field(default_factory=list[str])
    progress: Progress | None = None
    has_saved_state: bool = False
    saved_at: datetime | None = None
    result: Any = None
    error: ErrorView | None = None
    attempt: int = 0
    claims: int = 0
    max_attempts: int = 1
    crashes: int = 0
    timeout: float | None = None
    unique_key: str | None = None
    created_at: datetime
    changed_at: datetime
    run_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    worker: str | None = None
    origin: str | None = None
    schedule_id: str | None = None
    parent_ids: list[str] = Field(default_factory=list[str])
    batch_id: str | None = None


class JobPage(View):
    """A page of jobs. Cursors are opaque; pass them with the same query and sort. `searched`: an unindexed term was
    tried on so many of the newest jobs only (None = on all)."""

    items: list[JobView]
    next_cursor: str | None = None
    previous_cursor: str | None = None
    searched: int | None = None


class CountView(View):
    """`capped`: at least so many; counting stopped there."""

    count: int
    capped: bool = False


class HistoryView(StoredView):
    """One transition or request. `kind`: "state", or "request" (then `state` is "pause", "cancel" or "" for withdrawn)."""

    seq: int
    at: datetime
    kind: str
    state: str
    reason: str | None = None
    actor: str | None = None
    attempt: int = 0
    worker: str | None = None


class LogView(StoredView):
    """One console line. `n` grows; pass the last one as `after` for the lines that follow."""

    n: int
    at: datetime
    level: str
    message: str
    fields: dict[str, Any] | None = None
    attempt: int = 0


class LogPage(View):
    """Console lines, oldest first. `next_after` = what to pass as `after` for the following ones."""

    items: list[LogView]
    next_after: int


class SavedView(StoredView):
    """The last saved state: what the job's own `checkpoint` kept (`state`), positions of `track`, results of `step`."""

    state: Any = None
    positions: dict[str, Any] = Field(default_factory=dict[str, Any])
    steps: dict[str, Any] = Field(default_factory=dict[str, Any])
    at: datetime
    count: int
    bytes: int


class QueueView(StoredView):
    """A queue. `oldest_wait` in seconds. `workers` = live worker processes that serve it; one that drains serves none.
    `concern`: the text of the concern about it, if there is one."""

    name: str
    state: str = "open"
    enqueued: int = 0
    processing: int = 0
    scheduled: int = 0
    paused: int = 0
    oldest_wait: float | None = None
    workers: int = 0
    paused_at: datetime | None = None
    paused_by: str | None = None
    paused_reason: str | None = None
    concern: str | None = None


class WorkerView(StoredView):
    """A worker process; `pid` is that of the process which runs the jobs. `state`: live, draining, lost."""

    id: str
    name: str
    host: str
    pid: int
    version: str
    state: str
    queues: list[str]
    types: list[str]
    slots: int
    busy: int
    started_at: datetime
    heartbeat_at: datetime
    lost_at: datetime | None = None


class TypeView(StoredView):
    """A job type. `args_schema` is JSON Schema of its arguments. `workers` = live worker processes that know it. `waiting`:
    enqueued jobs of it, counted up to 10,000. `published` False: only jobs name it. `concern`: the text of the concern
    about it, if there is one."""

    name: str
    queue: str
    args_schema: dict[str, Any]
    doc: str
    signature: str
    executor: str
    max_attempts: int
    timeout: float | None = None
    priority: int = 0
    workers: int = 0
    waiting: int = 0
    published: bool = True
    concern: str | None = None


class Throughput(View):
    """What started and ended per minute, over the last minute, and per second, over the last ten."""

    per_minute: float
    per_second: float
    succeeded: int
    failed: int
    cancelled: int


class ConcernView(View):
    """One thing that needs attention, as `text` (`title` and `detail`): since when, and the one action that helps.
    `queues` and `types` are those it is about, `jobs` how many jobs (`capped`: at least so many); `subject` names the one,
    None where it is about the whole. `retry`: to retry its failed jobs is likely to help."""

    kind: str
    text: str
    title: str
    detail: str = ""
    since: datetime | None = None
    subject: str | None = None
    action: str
    queues: list[str] = Field(default_factory=list[str])
    types: list[str] = Field(default_factory=list[str])
    jobs: int = 0
    capped: bool = False
    retry: bool = False


class HealedView(View):
    """A worker that was lost within the last 24 hours, and whose jobs have all been requeued."""

    worker: str
    at: datetime
    text: str


class StatsView(View):
    """The state of the whole system. `oldest_wait` in seconds. `scheduler`: the process that is the leader (`host:pid:…`),
    None when there is none. `concerns`: what needs attention, the most important first; empty = all quiet. `healed`:
    losses that need no attention any more."""

    states: dict[str, int]
    queues: dict[str, QueueView]
    throughput: Throughput
    oldest_wait: float | None
    workers: int
    workers_lost: int
    slots: int
    at: datetime
    seq: int
    scheduler: str | None = None
    concerns: list[ConcernView] = Field(default_factory=list[ConcernView])
    healed: list[HealedView] = Field(default_factory=list[HealedView])


class BucketView(View):
    """What started and ended in one interval that begins at `at`."""

    at: datetime
    started: int
    succeeded: int
    failed: int
    cancelled: int


class RefusalView(View):
    """A job that an action on many has left as it was, and why."""

    id: str
    reason: str


class BulkView(View):
    """What an action on all jobs that match a search did, or (dry run) would do. `by_state` counts the matches by state,
    `fits` those of them that the action is allowed for, `done` what was changed, `refused` what was left as it is because
    it had changed in between. `reasons` counts the refused by their reason, `refusals` are the first of them."""

    action: str
    q: str
    dry_run: bool
    matched: int
    fits: int
    by_state: dict[str, int]
    done: int = 0
    refused: int = 0
    reasons: dict[str, int] = Field(default_factory=dict[str, int])
    refusals: list[RefusalView] = Field(default_factory=list[RefusalView])


def job_view(record: records.JobRecord) -> JobView:
    """The view of a stored job."""
    r, row = record, Row()
    error = None
    if r.error_type is not None:
        error = ErrorView(type=r.error_type, message=r.error_message or "", traceback=r.error_traceback)
    return JobView.model_construct(
        id=r.id,
        type=r.type,
        queue=r.queue,
        state=r.state,
        reason=r.reason,
        actor=r.actor,
        requested=r.requested,
        requested_at=row.time_or_none("requested_at", r.requested_at),
        requested_by=r.requested_by,
        requested_reason=r.requested_reason,
        priority=r.priority,
        args=row.json("args", r.args),
        owner=r.owner,
        tags=row.texts("tags", r.tags),
        progress=row.model("progress", r.progress, Progress),
        has_saved_state=r.saved_at is not None,
        saved_at=row.time_or_none("saved_at", r.saved_at),
        result=row.json("result", r.result),
        error=error,
        attempt=r.attempt,
        claims=r.token,
        max_attempts=r.max_attempts,
        crashes=r.crashes,
        timeout=r.timeout,
        unique_key=r.unique_key,
        created_at=row.time("created_at", r.created_at),
        changed_at=row.time("changed_at", r.changed_at),
        run_at=row.time_or_none("run_at", r.run_at),
        started_at=row.time_or_none("started_at", r.started_at),
        finished_at=row.time_or_none("finished_at", r.finished_at),
        expires_at=row.time_or_none("expires_at", r.expires_at),
        worker=r.worker,
        origin=r.origin,
        schedule_id=None,
        parent_ids=[],
        batch_id=None,
        unreadable=row.unreadable,  # filled by the fields above
    )


def history_view(record: records.HistoryRecord) -> HistoryView:
    """The view of a stored change."""
    r, row = record, Row()
    return HistoryView(
        seq=r.seq,
        at=row.time("at", r.at),
        kind=r.kind,
        state=r.state,
        reason=r.reason,
        actor=r.actor,
        attempt=r.attempt,
        worker=r.worker,
        unreadable=row.unreadable,
    )


def log_view(record: records.LogRecord) -> LogView:
    """The view of a stored console line."""
    r, row = record, Row()
    return LogView(
        n=r.n,
        at=row.time("at", r.at),
        level=r.level,
        message=r.message,
        attempt=r.attempt,
        fields=row.members("fields", r.fields),
        unreadable=row.unreadable,
    )


def saved_view(record: records.SavedRecord) -> SavedView:
    """The view of a stored saved state."""
    row = Row()
    value = row.members("saved", record.saved) or {}
    members: list[dict[str, Any]] = []
    for name in ("positions", "steps"):
        member = value.get(name, {})
        if not isinstance(member, dict):
            row.unreadable[name] = "not a JSON object"
        members.append(cast(dict[str, Any], member) if isinstance(member, dict) else {})
    positions, steps = members
    return SavedView(
        state=value.get("state"),
        positions=positions,
        steps=steps,
        at=row.time("at", record.at),
        count=record.times,
        bytes=len(record.saved.encode()),
        unreadable=row.unreadable,
    )
