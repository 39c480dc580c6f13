"""What pages and fragments read from the client, with a cache for what every page shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from holdfast.client.client import Client
from holdfast.client.figures import Snapshot
from holdfast.client.views import JobView, StatsView, WorkerView
from holdfast.core.concerns import why_waits
from holdfast.core.states import State
from holdfast.web.api.operations import Operations

T = TypeVar("T")
FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Site:
    """What the frame of every page shows about this installation."""

    environment: str
    environment_color: str
    version: str
    storage: str


@dataclass(slots=True)
class PageData:
    """The data of pages and fragments. Thread-safe, like the client."""

    client: Client
    operations: Operations
    site: Site
    _cache: dict[str, tuple[float, Any]] = field(default_factory=dict[str, tuple[float, Any]])
    _locks: dict[str, threading.Lock] = field(default_factory=dict[str, threading.Lock])

    def cached(self, name: str, load: Callable[[], T], seconds: float = FRESH_SECONDS) -> T:
        """The value of this name, loaded at most so many seconds ago. A slow `load` delays no other name, and may itself use
        other cached values."""
        with self._locks.setdefault(name, threading.Lock()):
            entry = self._cache.get(name)
            if entry is not None and time.monotonic() - entry[0] < seconds:
                return entry[1]
            value = load()
            self._cache[name] = (time.monotonic(), value)
            return value

    def nav_counts(self) -> dict[str, int]:
        """The counts in the navigation of every page, at most a second old. They cost less than the figures of the
        overview."""
        return self.cached("nav counts", self._load_nav_counts)

    def _load_nav_counts(self) -> dict[str, int]:
        return {
            "jobs": sum(self.client.jobs.states().values()),
            "queues": self.client.queues.count(),
            "workers": sum(worker.state != "lost" for worker in self.workers()),
        }

    def stats(self) -> StatsView:
        """The figures of the whole system, at most a second old."""
        return self.snapshot().stats

    def snapshot(self) -> Snapshot:
        """The figures with the facts behind them, at most a second old."""
        return self.cached("snapshot", self.client.figures.snapshot)

    def workers(self) -> list[WorkerView]:
        """All worker processes, at most a second old."""
        return self.cached("workers", self.client.workers.all)

    def type_count(self) -> int:
        """How many job types are known."""
        return self.cached("types", self.client.types.count)

    def worker_name(self, job: JobView) -> str:
        """The name of the worker that has or had the job."""
        if job.worker is None:
            return ""
        return self.worker_names().get(job.worker) or job.worker[-12:]

    def worker_names(self) -> dict[str, str]:
        """The names of the worker processes by their ids."""
        return {worker.id: worker.name or worker.host for worker in self.workers()}

    def why_waits(self, job: JobView) -> str:
        """Why a job will not start, when there is more to say than that it waits for its turn or its time."""
        if job.state not in (State.ENQUEUED, State.SCHEDULED):
            return ""
        facts = self.snapshot().facts
        return why_waits(facts, job.queue, job.type, scheduled=job.state == State.SCHEDULED)
