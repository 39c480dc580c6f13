"""This exists so that every command asks the same questions in the same words, whether a store or a server answers them."""

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
    """Rings when something may have changed."""

    def wait(self, timeout: float) -> bool:
        """Block until it rings (True) or `timeout` seconds have passed (False)."""
        ...


class Backend(Protocol):
    """What the command line asks. Errors are those of `holdfast.core.errors`, whoever answers."""

    place: str
    """Whom it asks, in words."""

    def enqueue(
        self, type_: str, args: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[JobView, bool]:
        """Store a job; answers it, and whether it is new (False: a key met a job that was there)."""
        ...

    def job(self, job_id: str) -> JobView: ...

    def search(self, q: str, *, sort: str, limit: int, cursor: str | None) -> JobPage: ...

    def history(self, job_id: str) -> list[HistoryView]: ...

    def logs(self, job_id: str, *, after: int, limit: int) -> LogPage: ...

    def act(self, job_id: str, action: Action, reason: str | None) -> JobView:
        """Do it; answers the job as it is now, or as it was when it is deleted."""
        ...

    def act_on_all(self, action: Action, q: str, *, dry_run: bool, reason: str | None) -> BulkView:
        """Do it to all that match, and wait until it is done."""
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
        """Hear when a job that matches may have changed (a hint; look again from time to time all the same)."""
        ...

    def close(self) -> None: ...
