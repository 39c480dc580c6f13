"""This exists so that queues, workers and types are told in a sentence first and a table then, the same live as on load."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast.client.views import QueueView, TypeView, WorkerView
from holdfast.core.query import link_term
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.format import exact, number, words
from holdfast.web.dashboard.overview_page import WAIT_OBJECTIVE
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
    """The queues, the deepest first."""
    queues = sorted(desk.overview.queues(), key=lambda queue: (-queue.enqueued, queue.name))
    lines = [_queue_line(queue, view) for queue in queues]
    behind = [line for line in lines if line.key == "retrying"]
    paused = [line for line in lines if line.key == "paused"]
    alone = [line for line in lines if line.key == "failed"]
    if alone:
        heading = f"No worker listens to {alone[0].name}"
    elif behind:
        heading = (
            f"Queue {behind[0].name} falls behind"
            if len(behind) == 1
            else f"{len(behind)} queues fall behind"
        )
    elif paused:
        heading = (
            f"Queue {paused[0].name} is paused" if len(paused) == 1 else f"{len(paused)} queues are paused"
        )
    else:
        heading = "All queues are open" if lines else "Queues"
    waiting, running = sum(q.enqueued for q in queues), sum(q.processing for q in queues)
    lede = f"{words(len(lines), 'queue')}: {words(waiting, 'job waits', 'jobs wait')}, {number(running)} run."
    return QueuesPage(heading, lede, lines)


def _queue_line(queue: QueueView, view: View) -> QueueLine:
    late = (queue.oldest_wait or 0) > WAIT_OBJECTIVE
    note = ""
    if queue.paused_at is not None:
        key, icon, word = "paused", "paused", "Paused"
    elif queue.enqueued and not queue.workers:
        key, icon, word, note = "failed", "unplug", "No worker", "its jobs wait until a worker listens to it"
    elif late:
        key, icon, word = "retrying", "warn", "Falls behind"
    else:
        key, icon, word = "succeeded", "check", "Open"
    oldest = (
        datetime.now(UTC) - timedelta(seconds=queue.oldest_wait) if queue.oldest_wait is not None else None
    )
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
    nobody_keeps_time: bool = False
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
    running = desk.overview.search(desk.overview.query("state:processing"), sort="-created", limit=20)
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
        bool(alive) and stats.scheduler is None,
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
    waiting: int = 0
    """Jobs of a type that no live worker knows."""

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


def type_line(type_: TypeView, view: View, waiting: int = 0) -> TypeLine:
    """A job type with its links."""
    return TypeLine(
        type_,
        view.url("jobs", q=link_term("type", type_.name)),
        view.url("jobs", q=link_term("queue", type_.queue)),
        waiting,
    )


def types_page(desk: Desk, view: View, find: str) -> TypesPage:
    """The job types whose name, queue or docstring holds the words of `find`."""
    every = desk.overview.types()
    asked = find.lower().split()
    lines = [
        type_line(one, view, 0 if one.workers else desk.overview.waiting(one.name))
        for one in every
        if all(word in f"{one.name} {one.queue} {one.doc}".lower() for word in asked)
    ]
    alone = [one.name for one in every if not one.workers]
    if not every:
        heading = "Types"
    elif alone and len(alone) < len(every):
        heading = f"No worker knows {alone[0]}" if len(alone) == 1 else f"No worker knows {len(alone)} types"
    elif alone:
        heading = "No worker is alive that knows a type"
    else:
        heading = words(len(every), "job type")
    known = len(every) - len(alone)
    return TypesPage(
        heading, f"{words(len(every), 'job type')}, {number(known)} of them known to a live worker.", lines
    )
