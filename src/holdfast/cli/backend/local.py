"""The backend that reads and writes a store directly, without a server."""

from __future__ import annotations

import getpass
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from holdfast.app import Holdfast
from holdfast.cli.backend.protocol import ChangeSignal
from holdfast.client.options import read_options
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
from holdfast.core.principal import Principal


class LocalBackend:
    """The store of an app."""

    def __init__(self, app: Holdfast) -> None:
        self._app = app
        self.place = str(app.open().store.info().get("place", "the store"))
        self._client = app.client.acting_as(Principal(_user(), origin="cli"))

    def enqueue(
        self, type_: str, args: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[JobView, bool]:
        job = self._client.jobs.new_job(type_, args, read_options(options))
        handle = self._client.jobs.insert([job])[0]
        return handle.view, handle.created

    def job(self, job_id: str) -> JobView:
        return self._client.jobs.get(job_id)

    def search(self, q: str, *, sort: str, limit: int, cursor: str | None) -> JobPage:
        return self._client.jobs.search(self._client.jobs.query(q), sort=sort, limit=limit, cursor=cursor)

    def history(self, job_id: str) -> list[HistoryView]:
        return self._client.jobs.history(job_id)

    def logs(self, job_id: str, *, after: int, limit: int) -> LogPage:
        return self._client.jobs.logs(job_id, after=after, limit=limit)

    def act(self, job_id: str, action: Action, reason: str | None) -> JobView:
        if action is Action.DELETE:
            job = self._client.jobs.get(job_id)
            self._client.jobs.delete(job_id)
            return job
        return self._client.jobs.act(job_id, action, reason=reason)

    def act_on_all(self, action: Action, q: str, *, dry_run: bool, reason: str | None) -> BulkView:
        query = self._client.jobs.query(q)
        return self._client.jobs.act_on_all(action, query, dry_run=dry_run, reason=reason)

    def queues(self) -> list[QueueView]:
        return self._client.queues.all()

    def pause_queue(self, name: str, reason: str | None) -> QueueView:
        self._client.queues.pause(name, reason=reason)
        return self._client.queues.get(name)

    def resume_queue(self, name: str) -> QueueView:
        self._client.queues.resume(name)
        return self._client.queues.get(name)

    def types(self) -> list[TypeView]:
        return self._client.types.all()

    def type(self, name: str) -> TypeView:
        return self._client.types.get(name)

    def workers(self) -> list[WorkerView]:
        return self._client.workers.all()

    def drain_worker(self, worker_id: str) -> WorkerView:
        return self._client.workers.drain(worker_id)

    def stats(self) -> StatsView:
        return self._client.figures.stats()

    @contextmanager
    def listen(self, q: str) -> Generator[ChangeSignal]:
        with self._client.jobs.listen() as listener:
            yield listener

    def close(self) -> None:
        self._app.close()


def _user() -> str | None:
    """The name of the user, for the history; None when the system does not know one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None
