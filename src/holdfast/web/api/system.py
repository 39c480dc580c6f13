"""Health, figures, job types, queues and workers over HTTP."""

# The decorators keep the functions below; nothing calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel

from holdfast.client.client import Client
from holdfast.client.views import QueueView, StatsView, TypeView, WorkerView
from holdfast.web.api.body import StrictRoute
from holdfast.web.api.models import Reason
from holdfast.web.api.shapes import NAME

READY_SECONDS = 2.0
"""How long a successful check of the storage is valid."""

QueueName = Annotated[str, Path(json_schema_extra=NAME)]


class Health(BaseModel):
    """`status`: "live" or "ready"; anything else is a problem."""

    status: str
    version: str


class TypeList(BaseModel):
    """Job types by name."""

    items: Sequence[TypeView]


class QueueList(BaseModel):
    """Queues by name."""

    items: Sequence[QueueView]


class WorkerList(BaseModel):
    """Worker processes, the lost ones of the last 24 hours too."""

    items: Sequence[WorkerView]


class Readiness:
    """Whether the storage responds and takes writes. A write costs the disk something, so a success is valid for a while,
    however often it is checked."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._ready_until = 0.0

    def check(self) -> None:
        """Raises StorageUnavailable."""
        self._client.events.last()
        with self._lock:
            if time.monotonic() < self._ready_until:
                return
            self._client.check()
            self._ready_until = time.monotonic() + READY_SECONDS


def health_routes(client: Client, version: str) -> APIRouter:
    """For the supervisor of the process."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live", summary="Whether the process lives")
    async def live() -> Health:
        """The process responds. The storage is not queried."""
        return Health(status="live", version=version)

    readiness = Readiness(client)

    @router.get("/ready", summary="Whether it can work")
    def ready() -> Health:
        """The storage responds and takes writes, and its schema is the one this version knows; else 503."""
        readiness.check()
        return Health(status="ready", version=version)

    return router


def system_routes(client: Client) -> APIRouter:
    """Figures, types, queues, workers."""
    router = APIRouter(tags=["system"], route_class=StrictRoute)

    @router.get("/stats", summary="Figures")
    def stats() -> StatsView:
        """Counts by state and by queue, throughput, the longest wait, and `concerns`: what needs a person, the most
        important first; empty means all quiet."""
        return client.figures.stats()

    @router.get("/job-types", summary="Job types")
    def job_types() -> TypeList:
        """Every job type that a worker has published, with the JSON Schema of its arguments."""
        return TypeList(items=client.types.all())

    @router.get("/job-types/{name:path}", summary="Show a job type")
    def job_type(name: str) -> TypeView:
        """One job type."""
        return client.types.get(name)

    @router.get("/queues", summary="Queues")
    def queues() -> QueueList:
        """Every queue that a job, a type or a pause names."""
        return QueueList(items=client.queues.all())

    @router.post("/queues/{name:path}/pause", summary="Pause a queue")
    def pause_queue(name: QueueName, body: Reason | None = None) -> QueueView:
        """Pause a queue: no worker claims from it. Running jobs continue; jobs can still be enqueued."""
        client.queues.pause(name, reason=body.reason if body else None)
        return client.queues.get(name)

    @router.post("/queues/{name:path}/resume", summary="Resume a queue")
    def resume_queue(name: QueueName) -> QueueView:
        """Open a paused queue."""
        client.queues.resume(name)
        return client.queues.get(name)

    @router.get("/workers", summary="Workers")
    def workers() -> WorkerList:
        """Every worker process; `pid` is that of the process which runs the jobs."""
        return WorkerList(items=client.workers.all())

    @router.post("/workers/{worker_id}/drain", summary="Drain a worker")
    def drain_worker(worker_id: str) -> WorkerView:
        """Let a worker process claim nothing more. It ends with its last job and is not replaced; a
        `holdfast worker` whose processes are all drained ends with exit code 0."""
        return client.workers.drain(worker_id)

    return router
