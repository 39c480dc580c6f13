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
from holdfast.storage.topics import Topic

ORIGIN = "cli"


class LocalBackend:
    """The store of an app."""

    def __init__(self, app: Holdfast) -> None:
        self._app = app
        self.place = str(app.open().store.info().get("place", "the store"))
        self._client = app.client
        self._overview = app.overview
        self._actor = _user()

    def enqueue(
        self, type_: str, args: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[JobView, bool]:
        job = self._client.new_job(type_, args, read_options(options), actor=self._actor, origin=ORIGIN)
        handle = self._client.insert([job])[0]
        return handle.view, handle.created

    def job(self, job_id: str) -> JobView:
        return self._client.job(job_id)

    def search(self, q: str, *, sort: str, limit: int, cursor: str | None) -> JobPage:
        return self._overview.search(
            self._overview.query(q, me=self._actor), sort=sort, limit=limit, cursor=cursor
        )

    def history(self, job_id: str) -> list[HistoryView]:
        return self._client.history(job_id)

    def logs(self, job_id: str, *, after: int, limit: int) -> LogPage:
        return self._client.logs(job_id, after=after, limit=limit)

    def act(self, job_id: str, action: Action, reason: str | None) -> JobView:
        if action is Action.DELETE:
            job = self._client.job(job_id)
            self._client.delete(job_id, actor=self._actor)
            return job
        return self._client.act(job_id, action, reason=reason, actor=self._actor)

    def act_on_all(self, action: Action, q: str, *, dry_run: bool, reason: str | None) -> BulkView:
        query = self._overview.query(q, me=self._actor)
        return self._overview.act_on_all(action, query, dry_run=dry_run, reason=reason, actor=self._actor)

    def queues(self) -> list[QueueView]:
        return self._overview.queues()

    def pause_queue(self, name: str, reason: str | None) -> QueueView:
        self._client.pause_queue(name, reason=reason, actor=self._actor)
        return self._queue(name)

    def resume_queue(self, name: str) -> QueueView:
        self._client.resume_queue(name, actor=self._actor)
        return self._queue(name)

    def types(self) -> list[TypeView]:
        return self._overview.types()

    def type(self, name: str) -> TypeView:
        return self._overview.type(name)

    def workers(self) -> list[WorkerView]:
        return self._overview.workers()

    def drain_worker(self, worker_id: str) -> WorkerView:
        return self._overview.drain_worker(worker_id)

    def stats(self) -> StatsView:
        return self._overview.stats()

    @contextmanager
    def listen(self, q: str) -> Generator[ChangeSignal]:
        with self._client.listen((Topic.EVENTS,)) as listener:
            yield listener

    def close(self) -> None:
        self._app.close()

    def _queue(self, name: str) -> QueueView:
        return next((queue for queue in self._overview.queues() if queue.name == name), QueueView(name=name))


def _user() -> str | None:
    """The name of the user, for the history; None when the system does not know one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None
