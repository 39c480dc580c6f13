"""Worker processes, and the job types that they publish."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from holdfast.core.job import TypeRow, WorkerRow
from holdfast.core.records import TypeRecord, WorkerRecord
from holdfast.storage.records.dialect import listed, parameters
from holdfast.storage.records.session import WORKER, Event, ReadSession, WriteSession

REGISTERED: Final = (
    *("id", "name", "host", "pid", "version", "state", "queues", "types", "slots", "started_at"),
    "heartbeat_at",
)
DRAIN: Final = "UPDATE workers SET state = 'draining' WHERE id = ? AND state = 'live'"
RETIRE: Final = "DELETE FROM workers WHERE id = ?"


class WorkerWriter:
    """`WorkerWrites`."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        dialect, lease = session.dialect, session.leases.columns
        self._register = dialect.insert_missing("workers", (*REGISTERED, *lease), key=("id",))
        self._publish = dialect.upsert("types", TypeRecord._fields, key=("name",))
        self._renew = f"UPDATE workers SET heartbeat_at = ?, {parameters(lease)} WHERE id IN"

    def register_worker(self, worker: WorkerRow, *, lease: float) -> None:
        session, now = self._session, self._session.now()
        names = (json.dumps(list(worker.queues)), json.dumps(list(worker.types)))
        label = (worker.id, worker.name, worker.host, worker.pid, worker.version, "live")
        session.write(self._register, (*label, *names, worker.slots, now, now, *session.leases.until(lease)))
        session.emit(Event(now, WORKER, reason="started", worker=worker.id))

    def heartbeat(self, workers: Sequence[str], *, lease: float) -> set[str]:
        if not workers:
            return set()
        session = self._session
        valid = f"SELECT id FROM workers WHERE id IN {listed(workers)} AND state <> 'lost' ORDER BY id"
        ids = [str(id_) for (id_,) in session.rows(valid + session.dialect.row_lock, workers)]
        if ids:
            asked = (session.now(), *session.leases.until(lease), *ids)
            session.write(f"{self._renew} {listed(ids)}", asked)
        return set(ids)

    def drain_worker(self, worker: str) -> None:
        session = self._session
        if session.change(DRAIN, (worker,)):
            session.emit(Event(session.now(), WORKER, reason="draining", worker=worker))

    def retire_worker(self, worker: str) -> None:
        session = self._session
        session.write(RETIRE, (worker,))
        session.emit(Event(session.now(), WORKER, reason="stopped", worker=worker))

    def publish_types(self, types: Sequence[TypeRow]) -> None:
        now = self._session.now()
        # in one order, so that two processes that publish the same do not wait for each other
        for row in sorted(types, key=lambda row: row.name):
            self._session.write(self._publish, (*row, now))


class WorkerReader:
    """`WorkerReads`."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        dialect = session.dialect
        self._types = f"SELECT {dialect.columns(TypeRecord._fields)} FROM types ORDER BY name"
        self._workers = f"""
        SELECT id, name, host, pid, version, shown, queues, types, slots, busy, started_at, heartbeat_at, lost_at
        FROM (
            SELECT workers.*, CASE WHEN {session.leases.over} THEN 'lost' ELSE state END AS shown,
                   (SELECT count(*) FROM {dialect.job_states} AS held
                    WHERE held.state = 'processing' AND held.worker = workers.id) AS busy
            FROM workers
        ) AS seen
        ORDER BY CASE WHEN shown = 'lost' THEN 1 ELSE 0 END, started_at, id
        """

    def workers(self) -> list[WorkerRecord]:
        session = self._session
        return [WorkerRecord._make(row) for row in session.rows(self._workers, session.leases.now())]

    def types(self) -> list[TypeRecord]:
        return [TypeRecord._make(row) for row in self._session.rows(self._types)]
