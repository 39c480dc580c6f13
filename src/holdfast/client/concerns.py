"""Concerns: the facts from which `holdfast.core.concerns` judges them, and their views."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.client.reading import Row
from holdfast.client.views import ConcernView, HealedView
from holdfast.core.concerns import Concern, healed
from holdfast.core.facts import ROLE, Exhausted, Facts, Outcome, Paused, Waiting, Worker
from holdfast.core.query import JobState, Query, StateIs, Text
from holdfast.core.query.nodes import all_of
from holdfast.core.records import JobRecord, OutcomeRecord, QueueRecord, WorkerRecord
from holdfast.core.states import State
from holdfast.runtime.clock import from_us
from holdfast.storage.protocol import Reader

HOUR = 3_600_000_000
MAX_JOBS = 10_000
"""Jobs of one queue and type are counted up to here."""
MAX_EXHAUSTED = 5
"""Types that failed lately whose failed jobs are counted."""
MAX_ERRORS = 5
"""Types that fail every time whose newest error is read."""


def gather(reader: Reader, *, queues: Sequence[QueueRecord], workers: Sequence[WorkerRecord]) -> Facts:
    """The facts of this moment. All that is read beside the arguments is found by an index, and bounded."""
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
        exhausted=_exhausted(reader, outcomes),
        enqueued=sum(queue.enqueued for queue in queues),
        scheduled=sum(queue.scheduled for queue in queues),
        next_due=reader.next_due(),
        has_scheduler=any(leader.role == ROLE for leader in reader.leaders()),
        led_until=reader.led_until(ROLE),
        errors=_errors(reader, [outcome.type for outcome in outcomes if outcome.fails_always]),
    )


def _errors(reader: Reader, types: Sequence[str]) -> dict[str, str]:
    found = {name: _newest(reader, name, State.FAILED) for name in types[:MAX_ERRORS]}
    return {name: job.error_type for name, job in found.items() if job and job.error_type is not None}


def _exhausted(reader: Reader, outcomes: Sequence[Outcome]) -> list[Exhausted]:
    """The failed jobs of the types that failed most lately; those that fail every time are a concern of their own."""
    failed = [outcome for outcome in outcomes if outcome.failed and not outcome.fails_always]
    failed.sort(key=lambda outcome: (-outcome.failed, outcome.type))
    found: list[Exhausted] = []
    for name in [outcome.type for outcome in failed[:MAX_EXHAUSTED]]:
        newest = _newest(reader, name, State.FAILED)
        if newest is None:
            continue
        count = reader.count(_of_type(name, State.FAILED), cap=MAX_JOBS)
        succeeded = _newest(reader, name, State.SUCCEEDED)
        recovered = succeeded is not None and (succeeded.finished_at or 0) > (newest.finished_at or 0)
        found.append(
            Exhausted(name, count.count, newest.finished_at, newest.error_type, recovered, count.capped)
        )
    return found


def _newest(reader: Reader, type_: str, state: State) -> JobRecord | None:
    found = reader.search(_of_type(type_, state), sort="-created", limit=1, cursor=None).items
    return found[0] if found else None


def _of_type(type_: str, state: State) -> Query:
    return Query(all_of((JobState((StateIs(state),)), Text("type", (type_,)))), "")


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


def text_of(concern: Concern | None) -> str | None:
    """The text of a concern, None without one."""
    return None if concern is None else concern.text


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
        retry=concern.retry,
        jobs=concern.jobs,
        capped=concern.capped,
    )


def healed_views(facts: Facts) -> list[HealedView]:
    """The lost workers whose jobs have all been requeued, the newest first."""
    return [
        HealedView(
            worker=worker.name,
            at=from_us(worker.gone_at or 0),
            text=f"{worker.name} was lost; its jobs were requeued",
        )
        for worker in healed(facts)
    ]
