"""Queues: reading, pausing and resuming them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from holdfast.client.concerns import gather, text_of
from holdfast.client.reading import Row
from holdfast.client.views import QueueView
from holdfast.core.concerns import Concern, judge, of_queue
from holdfast.core.facts import Facts
from holdfast.core.principal import ANONYMOUS, Principal
from holdfast.core.records import QueueRecord
from holdfast.core.sizes import MAX_REASON, check_line, check_name
from holdfast.runtime.clock import from_us
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader
from holdfast.storage.writes import PauseQueue, ResumeQueue


class Queues:
    """The queues of a store. Its writes are recorded as those of one principal, see `Client.acting_as`."""

    def __init__(self, reader: Reader, gateway: Gateway) -> None:
        self._reader = reader
        self._gateway = gateway
        self._principal = ANONYMOUS

    def acting_as(self, principal: Principal) -> Queues:
        """The same queues, for this principal."""
        acting = copy(self)
        acting._principal = principal
        return acting

    def all(self) -> list[QueueView]:
        """Every queue that a job, a type or a pause names."""
        records = self._reader.queues()
        facts = gather(self._reader, queues=records, workers=self._reader.workers())
        return queue_views(records, facts, judge(facts))

    def get(self, name: str) -> QueueView:
        """One queue; one that nothing names is open and empty."""
        return next((queue for queue in self.all() if queue.name == name), QueueView(name=name))

    def count(self) -> int:
        """How many queues `all` returns."""
        return len(self._reader.queues())

    def pause(self, name: str, *, reason: str | None = None) -> None:
        """Pause a queue: workers claim no jobs from it. Running jobs continue. Idempotent. Raises InvalidInput for a name
        or reason that is not valid."""
        check_name(name, loc=("queue",))
        if reason:
            check_line(reason, loc=("reason",), limit=MAX_REASON)
        self._gateway.run(PauseQueue(name, actor=self._principal.name, reason=reason or None))

    def resume(self, name: str) -> None:
        """Resume a paused queue. Idempotent. Raises InvalidInput for a name that is not valid."""
        check_name(name, loc=("queue",))
        self._gateway.run(ResumeQueue(name, actor=self._principal.name))


def queue_views(records: Sequence[QueueRecord], facts: Facts, concerns: Sequence[Concern]) -> list[QueueView]:
    """The views of stored queues, in the order of the records."""
    return [_queue_view(record, facts, concerns) for record in records]


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
        concern=text_of(of_queue(concerns, record.name, waits=record.enqueued > 0)),
        paused_at=row.time_or_none("paused_at", record.paused_at),
        paused_by=record.paused_by,
        paused_reason=record.paused_reason,
        unreadable=row.unreadable,
    )
