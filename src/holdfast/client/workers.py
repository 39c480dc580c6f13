"""Worker processes: reading and draining them."""

from __future__ import annotations

from holdfast.client.reading import Row
from holdfast.client.views import WorkerView
from holdfast.core.errors import Conflict, NotFound
from holdfast.core.records import WorkerRecord
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader
from holdfast.storage.writes import DrainWorker


class Workers:
    """The worker processes of a store."""

    def __init__(self, reader: Reader, gateway: Gateway) -> None:
        self._reader = reader
        self._gateway = gateway

    def all(self) -> list[WorkerView]:
        """Every worker process; those lost in the last 24 hours too."""
        return [_worker_view(record) for record in self._reader.workers()]

    def get(self, worker_id: str) -> WorkerView:
        """One worker process. Raises NotFound."""
        for view in self.all():
            if view.id == worker_id:
                return view
        raise NotFound(
            f"There is no worker {worker_id[:60]!r}; it has ended, or was lost more than 24 hours ago."
        )

    def drain(self, worker_id: str) -> WorkerView:
        """Let a worker process claim no more jobs; it ends with its last job, and its supervisor starts no other one in its
        place. Returns it as it is now. Idempotent. Raises NotFound, or Conflict when it is lost."""
        worker = self.get(worker_id)
        if worker.state == "lost":
            raise Conflict("This worker is lost: it no longer responds, and its jobs have been requeued.")
        self._gateway.run(DrainWorker(worker_id))
        try:
            return self.get(worker_id)
        except NotFound:  # it had no jobs, and has ended already
            return worker.model_copy(update={"state": "draining"})


def _worker_view(record: WorkerRecord) -> WorkerView:
    row = Row()
    return WorkerView(
        id=record.id,
        name=record.name,
        host=record.host,
        pid=record.pid,
        version=record.version,
        state=record.state,
        queues=row.texts("queues", record.queues),
        types=row.texts("types", record.types),
        slots=record.slots,
        busy=record.busy,
        started_at=row.time("started_at", record.started_at),
        heartbeat_at=row.time("heartbeat_at", record.heartbeat_at),
        lost_at=row.time_or_none("lost_at", record.lost_at),
        unreadable=row.unreadable,
    )
