"""The page of queues."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.client.views import ConcernView, QueueView
from holdfast.core.concerns import Kind, headline, of_queue
from holdfast.core.query import link_term
from holdfast.web.dashboard.format import number, pluralize
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.state_styles import StateStyle
from holdfast.web.dashboard.viewer_prefs import View

_OPEN = StateStyle("succeeded", "Open", "check")
_STYLES = {
    Kind.NO_WORKER: StateStyle("failed", "No worker", "unplug"),
    Kind.UNSERVED: StateStyle("failed", "Not served", "unplug"),
    Kind.QUEUE_PAUSED: StateStyle("paused", "Paused", "paused"),
    Kind.QUEUE_BEHIND: StateStyle("retrying", "Falls behind", "warn"),
}


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue as a row, in the style of a state. Other attributes are those of the view."""

    queue: QueueView
    style: StateStyle
    late: bool
    oldest: datetime | None
    note: str
    href: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queue, name)


@dataclass(slots=True)
class QueuesPage:
    """All that the queues page shows."""

    heading: str
    lede: str
    queues: list[QueueRow] = field(default_factory=list[QueueRow])


def queues_page(data: PageData, view: View) -> QueuesPage:
    """The queues, those with a concern first, then the deepest."""
    stats = data.stats()
    concerns = [concern for concern in stats.concerns if concern.queues or concern.kind == Kind.NO_WORKER]
    queues = sorted(
        stats.queues.values(), key=lambda queue: (queue.concern is None, -queue.enqueued, queue.name)
    )
    rows = [_row(queue, of_queue(concerns, queue.name, waits=queue.enqueued > 0), view) for queue in queues]
    if not rows:
        heading = "Queues"
    elif not concerns:
        heading = "All queues are open and served"
    elif len(concerns) == 1:
        heading = concerns[0].title.rstrip(".")
    else:
        heading = headline([Kind(concern.kind) for concern in concerns])
    waiting, running = sum(q.enqueued for q in queues), sum(q.processing for q in queues)
    lede = f"{pluralize(len(rows), 'queue')}: {pluralize(waiting, 'job waits', 'jobs wait')}, {number(running)} run."
    return QueuesPage(heading, lede, rows)


def _row(queue: QueueView, concern: ConcernView | None, view: View) -> QueueRow:
    style, note, late = _OPEN, "", False
    if concern is not None:
        style, late = _STYLES[Kind(concern.kind)], concern.kind != Kind.QUEUE_PAUSED
        note = concern.text if late else ""
    oldest = (
        datetime.now(UTC) - timedelta(seconds=queue.oldest_wait) if queue.oldest_wait is not None else None
    )
    return QueueRow(queue, style, late, oldest, note, view.url("jobs", q=link_term("queue", queue.name)))
