"""This exists so that questions about many things at once (lists, counts, queues, workers, types, rates) have one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo

from holdfast.client.client import Client
from holdfast.client.reading import Row
from holdfast.client.views import (
    BucketView,
    BulkView,
    CountView,
    JobPage,
    JobView,
    QueueView,
    RefusalView,
    StatsView,
    Throughput,
    TypeView,
    WorkerView,
    job_view,
)
from holdfast.core.commands import ALLOWED, Action
from holdfast.core.errors import Conflict, InvalidInput, InvalidQuery, NotFound, Problem
from holdfast.core.query import JobState, Query, QueryError, StateIs, Text, parse
from holdfast.core.query.nodes import all_of
from holdfast.core.records import QueueRecord, TypeRecord, WorkerRecord
from holdfast.core.states import State
from holdfast.runtime.clock import from_us, now_us
from holdfast.storage.protocol import Reader

CAP = 10_000
"""Counts of a filter stop here; more is shown as "10,000+"."""

MAX_PAGE = 200
MINUTE = 60_000_000
BULK_AT_ONCE = 500
"""Jobs that an action on many takes in one transaction: enough to share its cost, few enough that nobody waits for it."""

MAX_REFUSALS = 100


@dataclass(slots=True)
class Acted:
    """What an action on many jobs has come to so far."""

    done: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    refusals: list[RefusalView] = field(default_factory=list[RefusalView])

    @property
    def refused(self) -> int:
        return self.reasons.total()

    def add(self, job_ids: Sequence[str], refused: Sequence[str | None]) -> None:
        """Count a batch in, with why each of its jobs was refused (None: it is done)."""
        why = {job_id: reason for job_id, reason in zip(job_ids, refused, strict=True) if reason is not None}
        self.done += len(job_ids) - len(why)
        self.reasons.update(why.values())
        room = MAX_REFUSALS - len(self.refusals)
        self.refusals += [
            RefusalView(id=job_id, reason=reason) for job_id, reason in list(why.items())[:room]
        ]


class Overview:
    """Looks at many jobs, queues, workers and types; and acts on all jobs that match a search."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reader: Reader = client.reader

    # -- jobs -------------------------------------------------------------------------------------------------------------

    def query(self, text: str, *, zone: tzinfo = UTC, me: str | None = None) -> Query:
        """The search text as a query. Raises InvalidQuery with the place and the nearest field."""
        try:
            return parse(text, now=datetime.now(UTC), zone=zone, me=me)
        except QueryError as error:
            told = error.suggestion is None or error.suggestion in error.message
            hint = "" if told else f": {error.suggestion}"
            raise InvalidQuery(
                f"{error.message}{hint}", [Problem(("q", error.start, error.end), error.message)]
            ) from None

    def search(
        self, query: Query, *, sort: str = "-created", limit: int = 50, cursor: str | None = None
    ) -> JobPage:
        """A page of the jobs that match. Raises InvalidInput for a sort, limit or cursor that cannot be."""
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput(
                f"limit must lie between 1 and {MAX_PAGE}", [Problem(("limit",), f"1 to {MAX_PAGE}")]
            )
        page = self._reader.search(query, sort=sort, limit=limit, cursor=cursor)
        return JobPage(
            items=[job_view(record) for record in page.items],
            next_cursor=page.next_cursor,
            previous_cursor=page.previous_cursor,
            searched=page.searched,
        )

    def jobs(self, ids: Sequence[str], query: Query | None = None) -> list[JobView]:
        """Those of the given jobs that exist (and match)."""
        return [job_view(record) for record in self._reader.jobs(ids, query)]

    def count(self, query: Query) -> CountView:
        """How many jobs match, up to CAP."""
        found = self._reader.count(query, cap=CAP)
        return CountView(count=found.count, capped=found.capped)

    def waiting(self, type_name: str) -> int:
        """How many jobs of a type wait for a worker, up to CAP. Takes every name that is stored, valid or not."""
        root = all_of((JobState((StateIs(State.ENQUEUED),)), Text("type", (type_name,))))
        return self._reader.count(Query(root, ""), cap=CAP).count

    def states(self) -> dict[str, int]:
        """How many jobs there are in each state, without an end."""
        return dict(self._reader.states())

    def count_by_state(self, query: Query) -> dict[str, CountView]:
        """The same for each state and for "retrying", whatever state the query itself asks for."""
        counts = self._reader.count_by_state(query, cap=CAP)
        return {state: CountView(count=c.count, capped=c.capped) for state, c in counts.items()}

    def act_on_all(
        self,
        action: Action,
        query: Query,
        *,
        dry_run: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        told: Callable[[int, int], None] | None = None,
    ) -> BulkView:
        """Do `action` to every job that matches and allows it, oldest first, in batches; a job that changes meanwhile is
        refused.

        `dry_run`: only count. Counts are exact for what is done, capped for what is only matched. `told` hears after each
        batch how many are done and refused so far; what it raises ends the work there.
        """
        of_query = {
            state: found.count
            for state in State
            if (found := self._reader.count(_narrowed(query, state), cap=10 * CAP)).count
        }
        fits = sum(count for state, count in of_query.items() if state in ALLOWED[action])
        acted = Acted()
        if not dry_run:
            for job_ids in self._batches(action, query):
                refused = self._client.act_on(job_ids, action, reason=reason, actor=actor)
                acted.add(job_ids, refused)
                if told is not None:
                    told(acted.done, acted.refused)
        return BulkView(
            action=action,
            q=query.text,
            dry_run=dry_run,
            matched=sum(of_query.values()),
            fits=fits,
            by_state={state.value: count for state, count in of_query.items()},
            done=acted.done,
            refused=acted.refused,
            reasons=dict(acted.reasons),
            refusals=acted.refusals,
        )

    def _batches(self, action: Action, query: Query) -> Iterator[list[str]]:
        """The ids of all that match and may allow it, in the order in which stores lock them."""
        allowed, cursor = _narrowed(query, *sorted(ALLOWED[action])), None
        while True:
            page = self._reader.search(allowed, sort="created", limit=BULK_AT_ONCE, cursor=cursor)
            if page.items:
                yield [record.id for record in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return

    # -- the rest of the house --------------------------------------------------------------------------------------------

    def types(self) -> list[TypeView]:
        """Every job type that the store or this program knows."""
        known = dict(self._client.catalogue.published(fresh=True))
        now = now_us()
        for local in self._client.catalogue.registry:
            known[local.name] = TypeRecord(*local.row(self._client.catalogue.default_retries), now)
        live = self._live_workers()
        return [_type_view(record, live) for _, record in sorted(known.items())]

    def type(self, name: str) -> TypeView:
        """One job type. Raises NotFound."""
        for view in self.types():
            if view.name == name:
                return view
        raise NotFound(
            f"No job type {name[:60]!r} is known. Types become known when a worker that contains their code starts."
        )

    def queues(self) -> list[QueueView]:
        """Every queue that a job, a type or a pause names."""
        live, now = self._live_workers(), from_us(self._reader.now())
        return [_queue_view(record, live, now) for record in self._reader.queues()]

    def workers(self) -> list[WorkerView]:
        """Every worker process; the lost ones of the last 24 hours too."""
        return [_worker_view(record) for record in self._reader.workers()]

    def _live_workers(self) -> list[WorkerView]:
        return [worker for worker in self.workers() if worker.state == "live"]

    def worker(self, worker_id: str) -> WorkerView:
        """One worker process. Raises NotFound."""
        for view in self.workers():
            if view.id == worker_id:
                return view
        raise NotFound(
            f"There is no worker {worker_id[:60]!r}; it has ended, or was lost more than 24 hours ago."
        )

    def drain_worker(self, worker_id: str) -> WorkerView:
        """Let a worker process claim nothing more; it ends with its last job, and its supervisor starts no other one in its
        place. Answers it as it is now. Idempotent. Raises NotFound, or Conflict when it is lost."""
        worker = self.worker(worker_id)
        if worker.state == "lost":
            raise Conflict("This worker is lost: it does not answer, and its jobs have been given back.")
        self._client.drain_worker(worker_id)
        try:
            return self.worker(worker_id)
        except NotFound:  # it had nothing to do, and is gone already
            return worker.model_copy(update={"state": "draining"})

    def stats(self) -> StatsView:
        """Counts by state and queue, rates, the longest wait."""
        seq, now = self._reader.last_event(), self._reader.now()
        queues = {queue.name: queue for queue in self.queues()}
        workers = self._reader.workers()
        alive = [w for w in workers if w.state != "lost"]
        waits = [queue.oldest_wait for queue in queues.values() if queue.oldest_wait is not None]
        return StatsView(
            states=self._reader.states(),
            queues=queues,
            throughput=self._rates(now),
            oldest_wait=max(waits, default=None),
            workers=len(alive),
            workers_lost=len(workers) - len(alive),
            scheduler=next((leader.holder for leader in self._reader.leaders()), None),
            slots=sum(w.slots for w in alive),
            at=from_us(now),
            seq=seq,
        )

    def _rates(self, now: int) -> Throughput:
        minute = self._reader.buckets(since=now - MINUTE, step=10)
        succeeded, failed = sum(b.succeeded for b in minute), sum(b.failed for b in minute)
        cancelled = sum(b.cancelled for b in minute)
        # the newest bucket is still filling: the rate is taken over the one before it
        whole = [b for b in minute if b.at <= now - 10_000_000]
        last = whole[-1] if whole else None
        per_second = (last.succeeded + last.failed + last.cancelled) / 10 if last else 0.0
        return Throughput(
            per_minute=succeeded + failed + cancelled,
            per_second=per_second,
            succeeded=succeeded,
            failed=failed,
            cancelled=cancelled,
        )

    def buckets(self, *, seconds: int, step: int) -> list[BucketView]:
        """What started and ended in each `step` seconds of the last `seconds`; empty intervals included."""
        now = self._reader.now() // 1_000_000
        since = (now - seconds) // step * step
        found = {b.at // 1_000_000: b for b in self._reader.buckets(since=since * 1_000_000, step=step)}
        views: list[BucketView] = []
        for at in range(since, now + 1, step):
            b = found.get(at)
            counts = (b.started, b.succeeded, b.failed, b.cancelled) if b else (0, 0, 0, 0)
            views.append(
                BucketView(
                    at=from_us(at * 1_000_000),
                    started=counts[0],
                    succeeded=counts[1],
                    failed=counts[2],
                    cancelled=counts[3],
                )
            )
        return views


def _narrowed(query: Query, *states: State) -> Query:
    # joined as a meaning, not as text: text would be read again without the zone and the user it was written for
    only = JobState(tuple(map(StateIs, states)))
    return replace(query, root=only if query.root is None else all_of((query.root, only)))


def _type_view(record: TypeRecord, live: Sequence[WorkerView]) -> TypeView:
    row = Row()
    return TypeView(
        name=record.name,
        queue=record.queue,
        args_schema=row.members("args_schema", record.schema) or {},
        doc=record.doc,
        signature=record.signature,
        executor=record.executor,
        max_attempts=record.max_attempts,
        timeout=record.timeout,
        priority=record.priority,
        workers=sum(record.name in worker.types for worker in live),
        unreadable=row.unreadable,
    )


def _queue_view(record: QueueRecord, live: Sequence[WorkerView], now: datetime) -> QueueView:
    row = Row()
    oldest = row.time_or_none("oldest_wait", record.oldest)
    return QueueView(
        name=record.name,
        state="open" if record.paused_at is None else "paused",
        enqueued=record.enqueued,
        processing=record.processing,
        scheduled=record.scheduled,
        paused=record.paused_jobs,
        oldest_wait=None if oldest is None else max(0.0, (now - oldest).total_seconds()),
        workers=sum(_serves(worker, record.name) for worker in live),
        paused_at=row.time_or_none("paused_at", record.paused_at),
        paused_by=record.paused_by,
        paused_reason=record.paused_reason,
        unreadable=row.unreadable,
    )


def _serves(worker: WorkerView, queue: str) -> bool:
    every = not worker.queues and "queues" not in worker.unreadable
    return every or queue in worker.queues


def _worker_view(record: WorkerRecord) -> WorkerView:
    row = Row()
    return WorkerView(
        id=record.id,
        name=record.name,
        host=record.host,
        pid=record.pid,
        version=record.version,
        state=record.state,
        queues=row.texts("queues", record.queues),
        types=row.texts("types", record.types),
        slots=record.slots,
        busy=record.busy,
        started_at=row.time("started_at", record.started_at),
        heartbeat_at=row.time("heartbeat_at", record.heartbeat_at),
        lost_at=row.time_or_none("lost_at", record.lost_at),
        unreadable=row.unreadable,
    )
