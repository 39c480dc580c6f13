"""This exists so that what every page shows (counts, worker names) is asked in one place, once a second only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from holdfast.client.client import Client
from holdfast.client.overview import Overview
from holdfast.client.views import JobView, QueueView, StatsView, WorkerView
from holdfast.core.settings import Settings
from holdfast.core.states import State
from holdfast.web.api.operations import Operations

T = TypeVar("T")
FRESH_FOR = 1.0


@dataclass(frozen=True, slots=True)
class Site:
    """What the frame of every page says of this installation."""

    environment: str
    environment_color: str
    version: str
    storage: str


@dataclass(slots=True)
class Desk:
    """What the pages and fragments ask. Thread-safe, like the client."""

    client: Client
    overview: Overview
    settings: Settings
    operations: Operations
    site: Site
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict[str, tuple[float, Any]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _fresh(self, name: str, ask: Callable[[], T]) -> T:
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and time.monotonic() - kept[0] < FRESH_FOR:
                return kept[1]
            value = ask()
            self._kept[name] = (time.monotonic(), value)
            return value

    def stats(self) -> StatsView:
        """Counts of the whole system, at most a second old."""
        return self._fresh("stats", self.overview.stats)

    def workers(self) -> list[WorkerView]:
        """All worker processes, at most a second old."""
        return self._fresh("workers", self.overview.workers)

    def type_count(self) -> int:
        """How many job types are known."""
        return self._fresh("types", lambda: len(self.overview.types()))

    def worker_name(self, job: JobView) -> str:
        """The name of the worker that has or had the job."""
        if job.worker is None:
            return ""
        return self.worker_names().get(job.worker) or job.worker[-12:]

    def worker_names(self) -> dict[str, str]:
        """The names of the worker processes by their ids."""
        return {worker.id: worker.name or worker.host for worker in self.workers()}

    def queue(self, name: str) -> QueueView | None:
        """A queue by name, or None when nothing names it."""
        return self.stats().queues.get(name)

    def why_waits(self, job: JobView) -> str:
        """Why a queued job has not started, when there is more to say than that it waits its turn."""
        if job.state != State.ENQUEUED:
            return ""
        queue = self.queue(job.queue)
        if queue is not None and queue.paused_at is not None:
            who = f" by {queue.paused_by}" if queue.paused_by else ""
            why = f": {queue.paused_reason}" if queue.paused_reason else ""
            return f"Queue {job.queue} is paused{who}{why}. The job starts when someone resumes the queue."
        alive = [worker for worker in self.workers() if worker.state != "lost"]
        if not alive:
            return "No worker is alive. The job is kept and starts as soon as one is."
        if queue is not None and not queue.workers:
            return f"No worker listens to {job.queue}. The job is kept and starts as soon as one does."
        if not any(job.type in worker.types for worker in alive):
            return f"No worker knows {job.type}. The job is kept and starts as soon as one does."
        return ""
