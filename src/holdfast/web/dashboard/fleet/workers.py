"""The page of worker processes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from holdfast.client.views import ConcernView, WorkerView
from holdfast.core.concerns import Kind
from holdfast.core.query import link_term
from holdfast.web.dashboard.format import exact, pluralize
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.presenters import JobPresenter, present_jobs
from holdfast.web.dashboard.state_styles import StateStyle
from holdfast.web.dashboard.viewer_prefs import View

MAX_RUNNING = 20
"""Running jobs that the page lists."""

_LIVE = StateStyle("succeeded", "Live", "check")
_STYLES = {
    "live": _LIVE,
    "draining": StateStyle("scheduled", "Draining", "drain"),
    "lost": StateStyle("failed", "Lost", "unplug"),
}


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process as a row, in the style of a state. Other attributes are those of the view."""

    worker: WorkerView
    style: StateStyle
    old: bool
    queues_text: str
    types_text: str
    href: str

    @property
    def name(self) -> str:
        return self.worker.name or self.worker.host

    def __getattr__(self, name: str) -> Any:
        return getattr(self.worker, name)


@dataclass(slots=True)
class WorkersPage:
    """All that the workers page shows."""

    heading: str
    lede: str
    alerts: list[ConcernView] = field(default_factory=list[ConcernView])
    scheduler: str = ""
    workers: list[WorkerRow] = field(default_factory=list[WorkerRow])
    versions: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    jobs: list[JobPresenter] = field(default_factory=list[JobPresenter])
    running_text: str = ""


def workers_page(data: PageData, view: View) -> WorkersPage:
    """The worker processes, those that are alive first."""
    workers = sorted(
        data.workers(), key=lambda worker: (worker.state == "lost", worker.name, worker.host, worker.pid)
    )
    alive = [worker for worker in workers if worker.state != "lost"]
    versions = Counter(worker.version for worker in alive)
    newest = max((worker.started_at, worker.version) for worker in alive)[1] if alive else ""
    running = data.client.jobs.search(
        data.client.jobs.query("state:processing"), sort="-created", limit=MAX_RUNNING
    )
    stats = data.stats()
    count = stats.states.get("processing", 0)
    if not alive:
        heading = "No worker is alive"
    elif len(alive) == len(workers):
        heading = f"{pluralize(len(alive), 'worker')} alive"
    else:
        heading = f"{len(alive)} of {pluralize(len(workers), 'worker')} alive"
    busy, slots = sum(worker.busy for worker in alive), sum(worker.slots for worker in alive)
    lede = "Jobs are kept; they start as soon as a worker does."
    if alive:
        lede = f"{exact(busy)} of {pluralize(slots, 'slot')} run a job."
    counted = pluralize(count, "job")
    return WorkersPage(
        heading,
        lede,
        [concern for concern in stats.concerns if concern.kind in (Kind.NO_WORKER, Kind.NO_SCHEDULER)],
        (stats.scheduler or "").rpartition(":")[0],
        [_row(worker, view, old=len(versions) > 1 and worker.version != newest) for worker in workers],
        sorted(versions.items()) if len(versions) > 1 else [],
        present_jobs(running.items),
        counted if count <= MAX_RUNNING else f"{MAX_RUNNING} of {counted}",
    )


def _row(worker: WorkerView, view: View, *, old: bool) -> WorkerRow:
    queues = f"{'queue' if len(worker.queues) == 1 else 'queues'} {', '.join(worker.queues)}"
    return WorkerRow(
        worker,
        _STYLES.get(worker.state, _LIVE),
        old,
        queues if worker.queues else "all queues",
        pluralize(len(worker.types), "type"),
        view.url("jobs", q=link_term("worker", worker.id)),
    )
