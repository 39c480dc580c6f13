"""Queries about many things at once: lists, counts, queues, workers, types, rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo

from holdfast.client.client import Client
from holdfast.client.concerns import concern_view, gather, healed_views
from holdfast.client.fleet import queue_views, type_views, worker_view
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
from holdfast.core.concerns import judge
from holdfast.core.errors import Conflict, InvalidInput, NotFound, Problem
from holdfast.core.facts import Facts
from holdfast.core.query import JobState, Query, QueryError, StateIs, UnreadableQuery, parse
from holdfast.core.query.nodes import all_of
from holdfast.core.records import TypeRecord
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


@dataclass(frozen=True, slots=True)
class Whole:
    """The figures of one moment, and the facts that their concerns were judged from."""

    stats: StatsView
    facts: Facts


class Overview:
    """Looks at many jobs, queues, workers and types; and acts on all jobs that match a search."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reader: Reader = client.reader

    # -- jobs -------------------------------------------------------------------------------------------------------------

    def query(self, text: str, *, zone: tzinfo = UTC, me: str | None = None) -> Query:
        """The search text as a query. Raises UnreadableQuery with the place and the likely correction."""
        try:
            return parse(text, now=datetime.now(UTC), zone=zone, me=me)
        except QueryError as error:
            raise UnreadableQuery(error, text) from None

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
        counted: BulkView | None = None,
        reason: str | None = None,
        actor: str | None = None,
        told: Callable[[int, int], None] | None = None,
    ) -> BulkView:
        """Do `action` to every job that matches and allows it, oldest first, in batches; a job that changes meanwhile is
        refused.

        `dry_run`: only count. `counted`: its dry run, where the caller has it; nothing is counted again. Counts are exact
        for what is done, capped for what is only matched. `told` hears after each batch how many are done and refused so
        far; what it raises ends the work there.
        """
        plan = counted or self._counted(action, query)
        if dry_run:
            return plan
        acted = Acted()
        for job_ids in self._batches(action, query):
            refused = self._client.act_on(job_ids, action, reason=reason, actor=actor)
            acted.add(job_ids, refused)
            if told is not None:
                told(acted.done, acted.refused)
        return plan.model_copy(
            update={
                "dry_run": False,
                "done": acted.done,
                "refused": acted.refused,
                "reasons": dict(acted.reasons),
                "refusals": acted.refusals,
            }
        )

    def _counted(self, action: Action, query: Query) -> BulkView:
        """How many match in each state, and how many of them allow the action."""
        by_state = {
            state.value: found.count
            for state in State
            if (found := self._reader.count(_narrowed(query, state), cap=10 * CAP)).count
        }
        return BulkView(
            action=action,
            q=query.text,
            dry_run=True,
            matched=sum(by_state.values()),
            fits=sum(by_state.get(state.value, 0) for state in ALLOWED[action]),
            by_state=by_state,
            done=0,
            refused=0,
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
        """Every job type that the store or this program knows, and those that only jobs name."""
        known = dict(self._client.catalogue.published(fresh=True))
        now = now_us()
        for local in self._client.catalogue.registry:
            known[local.name] = TypeRecord(*local.row(self._client.catalogue.default_retries), now)
        facts = gather(self._reader, queues=self._reader.queues(), workers=self._reader.workers())
        return type_views(list(known.values()), facts, judge(facts))

    def type_count(self) -> int:
        """How many types `types` lists."""
        local = {job.name for job in self._client.catalogue.registry}
        waiting = {row.type for row in self._reader.partitions(cap=1)}
        return len(local | waiting | self._client.catalogue.published().keys())

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
        records = self._reader.queues()
        facts = gather(self._reader, queues=records, workers=self._reader.workers())
        return queue_views(records, facts, judge(facts))

    def workers(self) -> list[WorkerView]:
        """Every worker process; the lost ones of the last 24 hours too."""
        return [worker_view(record) for record in self._reader.workers()]

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
        """Counts by state and queue, rates, the longest wait, and what needs a person."""
        return self.whole().stats

    def whole(self) -> Whole:
        """The figures, with the facts behind their concerns."""
        seq, now = self._reader.last_event(), self._reader.now()
        records, workers = self._reader.queues(), self._reader.workers()
        facts = gather(self._reader, queues=records, workers=workers)
        concerns = judge(facts)
        queues = queue_views(records, facts, concerns)
        alive = [w for w in workers if w.state != "lost"]
        waits = [queue.oldest_wait for queue in queues if queue.oldest_wait is not None]
        stats = StatsView(
            states=self._reader.states(),
            queues={queue.name: queue for queue in queues},
            concerns=[concern_view(concern) for concern in concerns],
            healed=healed_views(facts),
            throughput=self._rates(now),
            oldest_wait=max(waits, default=None),
            workers=len(alive),
            workers_lost=len(workers) - len(alive),
            scheduler=next((leader.holder for leader in self._reader.leaders()), None),
            slots=sum(w.slots for w in alive),
            at=from_us(now),
            seq=seq,
        )
        return Whole(stats, facts)

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
