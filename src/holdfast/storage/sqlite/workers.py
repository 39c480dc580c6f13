"""The verbs of worker processes and of what they publish, on the embedded database."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import apsw

from holdfast.core.job import TypeRow, WorkerRow
from holdfast.storage.sqlite import statements as sql


class WorkerVerbs:
    """A part of `SqliteWriter`."""

    _db: apsw.Connection
    _now: Callable[[], int]
    _lease_now: Callable[[], int]
    _boot: str

    def register_worker(self, worker: WorkerRow, *, lease: float) -> None:
        now, deadline = self._now(), self._lease_now() + int(lease * 1_000_000)
        names = (json.dumps(list(worker.queues)), json.dumps(list(worker.types)))
        label = (worker.id, worker.name, worker.host, worker.pid, worker.version)
        self._db.execute(sql.REGISTER, (*label, *names, worker.slots, now, self._boot, deadline))
        self._db.execute(sql.WORKER_EVENT, (now, worker.id, "started"))

    def heartbeat(self, workers: Sequence[str], *, lease: float) -> set[str]:
        now, deadline = self._now(), self._lease_now() + int(lease * 1_000_000)
        return {str(w) for (w,) in self._db.execute(sql.BEAT, (json.dumps(list(workers)), now, deadline))}

    def drain_worker(self, worker: str) -> None:
        if self._db.execute(sql.DRAIN, (worker,)).fetchall():
            self._db.execute(sql.WORKER_EVENT, (self._now(), worker, "draining"))

    def retire_worker(self, worker: str) -> None:
        self._db.execute(sql.RETIRE, (worker,))
        self._db.execute(sql.WORKER_EVENT, (self._now(), worker, "stopped"))

    def publish_types(self, types: Sequence[TypeRow]) -> None:
        now = self._now()
        self._db.executemany(sql.PUBLISH, [(*row, now) for row in types])
