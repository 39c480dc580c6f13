"""The backend for a store that does not exist: empty, and never created."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from holdfast.client.views import (
    BulkView,
    HistoryView,
    JobPage,
    JobView,
    LogPage,
    QueueView,
    StatsView,
    Throughput,
    TypeView,
    WorkerView,
)
from holdfast.core.commands import Action
from holdfast.core.errors import NotFound
from holdfast.core.query import parse
from holdfast.core.states import State


class EmptyBackend:
    """A store at `place` that does not exist yet."""

    def __init__(self, place: str) -> None:
        self.place = f"{place} (no store yet; the first start or enqueue creates it)"

    def enqueue(self, type_: str, args: Mapping[str, Any], options: Mapping[str, Any]) -> NoReturn:
        raise self._nothing("job type", type_)

    def job(self, job_id: str) -> JobView:
        raise self._nothing("job", job_id)

    def search(self, q: str, *, sort: str, limit: int, cursor: str | None) -> JobPage:
        parse(q, now=datetime.now(UTC), me="me")  # an invalid search is rejected here too
        return JobPage(items=[])

    def history(self, job_id: str) -> list[HistoryView]:
        raise self._nothing("job", job_id)

    def logs(self, job_id: str, *, after: int, limit: int) -> LogPage:
        raise self._nothing("job", job_id)

    def act(self, job_id: str, action: Action, reason: str | None) -> JobView:
        raise self._nothing("job", job_id)

    def act_on_all(self, action: Action, q: str, *, dry_run: bool, reason: str | None) -> BulkView:
        self.search(q, sort="-created", limit=1, cursor=None)
        return BulkView(action=action, q=q, dry_run=dry_run, matched=0, fits=0, by_state={})

    def queues(self) -> list[QueueView]:
        return []

    def pause_queue(self, name: str, reason: str | None) -> QueueView:
        raise self._nothing("queue", name)

    def resume_queue(self, name: str) -> QueueView:
        raise self._nothing("queue", name)

    def types(self) -> list[TypeView]:
        return []

    def type(self, name: str) -> TypeView:
        raise self._nothing("job type", name)

    def workers(self) -> list[WorkerView]:
        return []

    def drain_worker(self, worker_id: str) -> WorkerView:
        raise self._nothing("worker", worker_id)

    def stats(self) -> StatsView:
        nothing = Throughput(per_minute=0, per_second=0, succeeded=0, failed=0, cancelled=0)
        return StatsView(
            states=dict.fromkeys(map(str, State), 0),
            queues={},
            throughput=nothing,
            oldest_wait=None,
            workers=0,
            workers_lost=0,
            slots=0,
            at=datetime.now(UTC),
            seq=0,
        )

    def listen(self, q: str) -> NoReturn:
        raise NotFound("Nothing to watch.")

    def close(self) -> None:
        pass

    def _nothing(self, what: str, name: str) -> NotFound:
        return NotFound(f"There is no {what} {name[:60]}.")
