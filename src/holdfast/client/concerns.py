"""Gathers the facts of the whole system for `holdfast.core.concerns`, and shows what it decides."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.client.reading import Row
from holdfast.client.views import ConcernView, HealedView
from holdfast.core.concerns import Concern, healed
from holdfast.core.facts import ROLE, Facts, Outcome, Paused, Waiting, Worker
from holdfast.core.query import JobState, Query, StateIs, Text
from holdfast.core.query.nodes import all_of
from holdfast.core.records import OutcomeRecord, QueueRecord, WorkerRecord
from holdfast.core.states import State
from holdfast.runtime.clock import from_us
from holdfast.storage.protocol import Reader

HOUR = 3_600_000_000
MAX_JOBS = 10_000
"""Jobs of one queue and type are counted up to here."""
MAX_ERRORS = 5
"""Of so many types that fail always the newest error is read."""


def gather(reader: Reader, *, queues: Sequence[QueueRecord], workers: Sequence[WorkerRecord]) -> Facts:
    """The facts of this moment. Whatever is asked for beside the arguments is found by an index, and bounded."""
    now = reader.now()
    outcomes = [_outcome(record) for record in reader.outcomes(since=now - HOUR)]
    return Facts(
        now=now,
        workers=[_worker(record) for record in workers],
        waiting=[
            Waiting(row.queue, row.type, row.enqueued, row.oldest, row.enqueued >= MAX_JOBS)
            for row in reader.partitions(cap=MAX_JOBS)
        ],
        paused=[
            Paused(queue.name, queue.paused_at, queue.paused_by, queue.paused_reason, queue.enqueued)
            for queue in queues
            if queue.paused_at is not None
        ],
        outcomes=outcomes,
        enqueued=sum(queue.enqueued for queue in queues),
        scheduled=sum(queue.scheduled for queue in queues),
        next_due=reader.next_due(),
        has_scheduler=any(leader.role == ROLE for leader in reader.leaders()),
        led_until=reader.led_until(ROLE),
        errors=_errors(reader, [outcome.type for outcome in outcomes if outcome.fails_always]),
    )


def _errors(reader: Reader, types: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in types[:MAX_ERRORS]:
        root = all_of((JobState((StateIs(State.FAILED),)), Text("type", (name,))))
        for job in reader.search(Query(root, ""), sort="-created", limit=1, cursor=None).items:
            if job.error_type is not None:
                found[name] = job.error_type
    return found


def _outcome(record: OutcomeRecord) -> Outcome:
    return Outcome(record.type, record.succeeded, record.failed, record.failing, record.failing_since)


def _worker(record: WorkerRecord) -> Worker:
    row = Row()
    queues, types = row.texts("queues", record.queues), row.texts("types", record.types)
    every = not queues and "queues" not in row.unreadable
    return Worker(
        record.name or record.host,
        record.state,
        frozenset(types),
        None if every else frozenset(queues),
        record.busy,
        (record.lost_at or record.heartbeat_at) if record.state == "lost" else None,
    )


def concern_view(concern: Concern) -> ConcernView:
    """The view of a concern."""
    return ConcernView(
        kind=concern.kind,
        text=concern.text,
        title=concern.title,
        detail=concern.detail,
        since=None if concern.since is None else from_us(concern.since),
        subject=concern.subject,
        action=concern.action,
        queues=list(concern.queues),
        types=list(concern.types),
    )


def healed_views(facts: Facts) -> list[HealedView]:
    """The losses that healed, the newest first."""
    return [
        HealedView(
            worker=worker.name,
            at=from_us(worker.gone_at or 0),
            text=f"{worker.name} was lost; its jobs were requeued",
        )
        for worker in healed(facts)
    ]
