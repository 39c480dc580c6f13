"""Shows queues, types and workers as the client's callers see them, each with what is said of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holdfast.client.reading import Row
from holdfast.client.views import QueueView, TypeView, WorkerView
from holdfast.core.concerns import Concern, of_queue, of_type
from holdfast.core.facts import Facts
from holdfast.core.records import QueueRecord, TypeRecord, WorkerRecord
from holdfast.runtime.clock import from_us


def type_views(records: Sequence[TypeRecord], facts: Facts, concerns: Sequence[Concern]) -> list[TypeView]:
    """The types, and those that only jobs name, by name."""
    waiting: Counter[str] = Counter()
    for row in facts.waiting:
        waiting[row.type] += row.jobs
    known = {record.name for record in records}
    queues = {row.type: row.queue for row in facts.waiting if row.type not in known}
    views = [*map(_type_view, records), *(_unpublished(name, queue) for name, queue in queues.items())]
    return [
        view.model_copy(
            update={
                "workers": sum(worker.knows(view.name) for worker in facts.live),
                "waiting": waiting[view.name],
                "concern": _text(of_type(concerns, view.name, waits=view.name in waiting)),
            }
        )
        for view in sorted(views, key=lambda view: view.name)
    ]


def queue_views(records: Sequence[QueueRecord], facts: Facts, concerns: Sequence[Concern]) -> list[QueueView]:
    """The queues in the order of the records."""
    return [_queue_view(record, facts, concerns) for record in records]


def _text(concern: Concern | None) -> str | None:
    return None if concern is None else concern.text


def _unpublished(name: str, queue: str) -> TypeView:
    return TypeView(
        name=name,
        queue=queue,
        args_schema={},
        doc="",
        signature="",
        executor="",
        max_attempts=1,
        published=False,
    )


def _type_view(record: TypeRecord) -> TypeView:
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
        unreadable=row.unreadable,
    )


def _queue_view(record: QueueRecord, facts: Facts, concerns: Sequence[Concern]) -> QueueView:
    row, now = Row(), from_us(facts.now)
    oldest = row.time_or_none("oldest_wait", record.oldest)
    return QueueView(
        name=record.name,
        state="open" if record.paused_at is None else "paused",
        enqueued=record.enqueued,
        processing=record.processing,
        scheduled=record.scheduled,
        paused=record.paused_jobs,
        oldest_wait=None if oldest is None else max(0.0, (now - oldest).total_seconds()),
        workers=sum(worker.listens(record.name) for worker in facts.live),
        concern=_text(of_queue(concerns, record.name, waits=record.enqueued > 0)),
        paused_at=row.time_or_none("paused_at", record.paused_at),
        paused_by=record.paused_by,
        paused_reason=record.paused_reason,
        unreadable=row.unreadable,
    )


def worker_view(record: WorkerRecord) -> WorkerView:
    """The view of a stored worker process."""
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
