"""The protocol of a backend: what commands ask of a store or a server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from holdfast.client.views import (
    BulkView,
    HistoryView,
    JobPage,
    JobView,
    LogPage,
    QueueView,
    StatsView,
    TypeView,
    WorkerView,
)
from holdfast.core.commands import Action


class ChangeSignal(Protocol):
    """Set when something may have changed."""

    def wait(self, timeout: float) -> bool:
        """Block until a change (True) or for `timeout` seconds (False)."""
        ...


class Backend(Protocol):
    """A store or a server. Both raise the errors of `holdfast.core.errors`."""

    place: str
    """Where the data is, for messages: a path, an address without password, or a URL."""

    def enqueue(
        self, type_: str, args: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[JobView, bool]:
        """Store a job; returns it, and whether it is new (False: a job with the same key already exists)."""
        ...

    def job(self, job_id: str) -> JobView: ...

    def search(self, q: str, *, sort: str, limit: int, cursor: str | None) -> JobPage: ...

    def history(self, job_id: str) -> list[HistoryView]: ...

    def logs(self, job_id: str, *, after: int, limit: int) -> LogPage: ...

    def act(self, job_id: str, action: Action, reason: str | None) -> JobView:
        """Apply the action; returns the job as it is now, or as it was before it was deleted."""
        ...

    def act_on_all(self, action: Action, q: str, *, dry_run: bool, reason: str | None) -> BulkView:
        """Apply the action to all jobs that match, and wait until it is complete."""
        ...

    def queues(self) -> list[QueueView]: ...

    def pause_queue(self, name: str, reason: str | None) -> QueueView: ...

    def resume_queue(self, name: str) -> QueueView: ...

    def types(self) -> list[TypeView]: ...

    def type(self, name: str) -> TypeView: ...

    def workers(self) -> list[WorkerView]: ...

    def drain_worker(self, worker_id: str) -> WorkerView: ...

    def stats(self) -> StatsView: ...

    def listen(self, q: str) -> AbstractContextManager[ChangeSignal]:
        """Listen for changes of the jobs that match. The signal is a hint and may be lost; poll as well."""
        ...

    def close(self) -> None: ...
