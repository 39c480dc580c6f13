"""Worker processes, leases and job types, with leases by the server's clock."""

from __future__ import annotations

import json
from collections.abc import Sequence

from holdfast.core.job import TypeRow, WorkerRow
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.literals import listed, rows
from holdfast.storage.mysql.transaction import WORKER, WritingSession


class WorkerVerbs(WritingSession):
    """The verbs of workers, types and leaders, a part of `MysqlWriter`."""

    def register_worker(self, worker: WorkerRow, *, lease: float) -> None:
        now = self._now()
        names = (json.dumps(list(worker.queues)), json.dumps(list(worker.types)))
        label = (worker.id, worker.name, worker.host, worker.pid, worker.version)
        self._write(sql.REGISTER, *label, *names, worker.slots, now, now, _deadline(now, lease))
        self._tell(WORKER, now, worker=worker.id, reason="started")

    def heartbeat(self, workers: Sequence[str], *, lease: float) -> set[str]:
        if not workers:
            return set()
        now = self._now()
        standing = [str(one) for (one,) in self._run(sql.STAND.format(ids=listed(list(workers))))]
        if standing:
            self._write(sql.BEAT.format(now=now, deadline=_deadline(now, lease), ids=listed(standing)))
        return set(standing)

    def drain_worker(self, worker: str) -> None:
        if self._change(sql.DRAIN, worker):
            self._tell(WORKER, self._now(), worker=worker, reason="draining")

    def retire_worker(self, worker: str) -> None:
        self._write(sql.RETIRE, worker)
        self._tell(WORKER, self._now(), worker=worker, reason="stopped")

    def publish_types(self, types: Sequence[TypeRow]) -> None:
        now = self._now()
        entries = [(*row, now) for row in sorted(types, key=lambda row: row.name)]
        if entries:
            self._write(sql.PUBLISH + rows(entries) + sql.PUBLISH_AGAIN)

    # -- who leads --------------------------------------------------------------------------------------------------------

    def acquire_lease(self, role: str, holder: str, *, lease: float) -> int | None:
        now = self._now()
        deadline = _deadline(now, lease)
        asked = {"role": role, "holder": holder, "now": now, "deadline": deadline}
        if self._cursor.execute(sql.LEAD, asked):
            return int(self._run(sql.TERM, role)[0][0])
        if self._run(sql.TERM, role) or self._held_already(sql.LEAD_FIRST, role, holder, now, deadline):
            return None
        return 1

    def release_lease(self, role: str, holder: str) -> bool:
        return bool(self._change(sql.RESIGN, self._now(), role, holder))


def _deadline(now: int, lease: float) -> int:
    return now + int(lease * 1_000_000)
