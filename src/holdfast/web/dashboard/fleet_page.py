"""Queues, workers and types: one sentence first, then a table, the same live as on load."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.client.views import ConcernView, QueueView, TypeView, WorkerView
from holdfast.core.concerns import Kind, headline, of_queue
from holdfast.core.query import link_term
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.format import exact, number, words
from holdfast.web.dashboard.present import Shown, shown_all
from holdfast.web.dashboard.view import View


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue with its borrowed state."""

    queue: QueueView
    key: str
    icon: str
    word: str
    late: bool
    oldest: datetime | None
    note: str
    href: str

    @property
    def paused_jobs(self) -> int:
        return self.queue.paused

    def __getattr__(self, name: str) -> Any:
        return getattr(self.queue, name)


@dataclass(slots=True)
class QueuesPage:
    """All that the queues page shows."""

    heading: str
    lede: str
    queues: list[QueueLine] = field(default_factory=list[QueueLine])


def queues_page(desk: Desk, view: View) -> QueuesPage:
    """The queues, those with a concern first, then the deepest."""
    whole = desk.whole()
    concerns = [
        concern for concern in whole.stats.concerns if concern.queues or concern.kind == Kind.NO_WORKER
    ]
    queues = sorted(
        whole.stats.queues.values(), key=lambda queue: (queue.concern is None, -queue.enqueued, queue.name)
    )
    lines = [
        _queue_line(queue, of_queue(concerns, queue.name, waits=queue.enqueued > 0), view) for queue in queues
    ]
    if not lines:
        heading = "Queues"
    elif not concerns:
        heading = "All queues are open and served"
    elif len(concerns) == 1:
        heading = concerns[0].title.rstrip(".")
    else:
        heading = headline([Kind(concern.kind) for concern in concerns])
    waiting, running = sum(q.enqueued for q in queues), sum(q.processing for q in queues)
    lede = f"{words(len(lines), 'queue')}: {words(waiting, 'job waits', 'jobs wait')}, {number(running)} run."
    return QueuesPage(heading, lede, lines)


_QUEUE_LOOKS = {
    Kind.NO_WORKER: ("failed", "unplug", "No worker"),
    Kind.UNSERVED: ("failed", "unplug", "Not served"),
    Kind.QUEUE_PAUSED: ("paused", "paused", "Paused"),
    Kind.QUEUE_BEHIND: ("retrying", "warn", "Falls behind"),
}


def _queue_line(queue: QueueView, concern: ConcernView | None, view: View) -> QueueLine:
    key, icon, word, note = "succeeded", "check", "Open", ""
    if concern is not None:
        key, icon, word = _QUEUE_LOOKS[Kind(concern.kind)]
        note = "" if concern.kind == Kind.QUEUE_PAUSED else concern.text
    oldest = (
        datetime.now(UTC) - timedelta(seconds=queue.oldest_wait) if queue.oldest_wait is not None else None
    )
    late = concern is not None and concern.kind != Kind.QUEUE_PAUSED
    return QueueLine(
        queue, key, icon, word, late, oldest, note, view.url("jobs", q=link_term("queue", queue.name))
    )


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """A worker process with its borrowed state."""

    worker: WorkerView
    key: str
    icon: str
    word: str
    old: bool
    queues_text: str
    types_text: str
    href: str

    @property
    def name(self) -> str:
        return self.worker.name or self.worker.host

    @property
    def jobs_left(self) -> str:
        return words(self.worker.busy, "job")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.worker, name)


@dataclass(slots=True)
class WorkersPage:
    """All that the workers page shows."""

    heading: str
    lede: str
    alerts: list[ConcernView] = field(default_factory=list[ConcernView])
    scheduler: str = ""
    workers: list[WorkerLine] = field(default_factory=list[WorkerLine])
    versions: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    jobs: list[Shown] = field(default_factory=list[Shown])
    running_text: str = ""


_WORKER_LOOKS = {
    "live": ("succeeded", "check", "Live"),
    "draining": ("scheduled", "drain", "Draining"),
    "lost": ("failed", "unplug", "Lost"),
}


def workers_page(desk: Desk, view: View) -> WorkersPage:
    """The worker processes, those that are alive first."""
    workers = sorted(
        desk.workers(), key=lambda worker: (worker.state == "lost", worker.name, worker.host, worker.pid)
    )
    alive = [worker for worker in workers if worker.state != "lost"]
    versions = Counter(worker.version for worker in alive)
    newest = max((worker.started_at, worker.version) for worker in alive)[1] if alive else ""
    running = desk.client.jobs.search(desk.client.jobs.query("state:processing"), sort="-created", limit=20)
    stats = desk.stats()
    count = stats.states.get("processing", 0)
    if not alive:
        heading = "No worker is alive"
    elif len(alive) == len(workers):
        heading = f"{words(len(alive), 'worker')} alive"
    else:
        heading = f"{len(alive)} of {words(len(workers), 'worker')} alive"
    busy, slots = sum(worker.busy for worker in alive), sum(worker.slots for worker in alive)
    lede = "Jobs are kept; they start as soon as a worker does."
    if alive:
        lede = f"{exact(busy)} of {words(slots, 'slot')} run a job."
    lines = [
        WorkerLine(
            worker,
            *_WORKER_LOOKS.get(worker.state, _WORKER_LOOKS["live"]),
            len(versions) > 1 and worker.version != newest,
            f"{'queue' if len(worker.queues) == 1 else 'queues'} {', '.join(worker.queues)}"
            if worker.queues
            else "all queues",
            words(len(worker.types), "type"),
            view.url("jobs", q=link_term("worker", worker.id)),
        )
        for worker in workers
    ]
    return WorkersPage(
        heading,
        lede,
        [concern for concern in stats.concerns if concern.kind in (Kind.NO_WORKER, Kind.NO_SCHEDULER)],
        (stats.scheduler or "").rpartition(":")[0],
        lines,
        sorted(versions.items()) if len(versions) > 1 else [],
        shown_all(running.items),
        words(count, "job") if count <= 20 else f"20 of {words(count, 'job')}",
    )


@dataclass(frozen=True, slots=True)
class TypeLine:
    """A job type as a row."""

    type: TypeView
    href: str
    queue_href: str
    new_href: str

    @property
    def unknown(self) -> bool:
        return not self.type.workers

    @property
    def retries(self) -> int:
        return self.type.max_attempts - 1

    @property
    def doc_line(self) -> str:
        return self.type.doc.strip().partition("\n")[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.type, name)


@dataclass(slots=True)
class TypesPage:
    """All that the types page shows."""

    heading: str
    lede: str
    types: list[TypeLine] = field(default_factory=list[TypeLine])


def type_line(type_: TypeView, view: View) -> TypeLine:
    """A job type with its links; jobs of one that only jobs name cannot be made here."""
    return TypeLine(
        type_,
        view.url("jobs", q=link_term("type", type_.name)),
        view.url("jobs", q=link_term("queue", type_.queue)),
        view.url("types", type_.name, "new") if type_.published else "",
    )


def types_page(desk: Desk, view: View, find: str) -> TypesPage:
    """The job types whose name, queue or docstring holds the words of `find`; those with a concern come first."""
    every = desk.client.types.all()
    asked = find.lower().split()
    lines = [
        type_line(one, view)
        for one in sorted(every, key=lambda one: (one.concern is None, one.name))
        if all(word in f"{one.name} {one.queue} {one.doc}".lower() for word in asked)
    ]
    troubled = [one for one in every if one.concern is not None]
    known = sum(one.workers > 0 for one in every)
    if not every:
        heading = "Types"
    elif not known:
        heading = "No worker is alive that knows a type"
    elif len(troubled) == 1:
        heading = (troubled[0].concern or "").partition(". ")[0]
    elif troubled:
        heading = f"{len(troubled)} types need attention"
    else:
        heading = words(len(every), "job type")
    return TypesPage(
        heading, f"{words(len(every), 'job type')}, {number(known)} of them known to a live worker.", lines
    )
