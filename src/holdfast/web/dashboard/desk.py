"""What every page shows (counts, worker names), read at most once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from holdfast.client.client import Client
from holdfast.client.figures import Snapshot
from holdfast.client.views import JobView, QueueView, StatsView, WorkerView
from holdfast.core.concerns import why_waits
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
    settings: Settings
    operations: Operations
    site: Site
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict[str, tuple[float, Any]])
    _locks: dict[str, threading.Lock] = field(default_factory=dict[str, threading.Lock])

    def kept(self, name: str, ask: Callable[[], T], seconds: float = FRESH_FOR) -> T:
        """What was asked under this name, at most so many seconds ago. A slow `ask` delays no other name, and may itself ask
        for other kept things."""
        with self._locks.setdefault(name, threading.Lock()):
            kept = self._kept.get(name)
            if kept is not None and time.monotonic() - kept[0] < seconds:
                return kept[1]
            value = ask()
            self._kept[name] = (time.monotonic(), value)
            return value

    def stats(self) -> StatsView:
        """Counts of the whole system, at most a second old."""
        return self.whole().stats

    def whole(self) -> Snapshot:
        """The figures with the facts behind them, at most a second old."""
        return self.kept("whole", self.client.figures.snapshot)

    def workers(self) -> list[WorkerView]:
        """All worker processes, at most a second old."""
        return self.kept("workers", self.client.workers.all)

    def type_count(self) -> int:
        """How many job types are known."""
        return self.kept("types", self.client.types.count)

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
        """Why a job will not start, when there is more to say than that it waits its turn or its time."""
        if job.state not in (State.ENQUEUED, State.SCHEDULED):
            return ""
        facts = self.whole().facts
        return why_waits(facts, job.queue, job.type, scheduled=job.state == State.SCHEDULED)
