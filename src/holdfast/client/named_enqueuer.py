"""Enqueues jobs by the name of their type, whose code may be elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.client.client import Client
from holdfast.client.former_names import FormerOverview
from holdfast.client.handle import JobHandle
from holdfast.client.opening import OpenParts


class NamedEnqueuer(ABC):
    """Enqueues jobs by the name of their type, and opens the store when it is first needed."""

    @abstractmethod
    def open(self) -> OpenParts:
        """Open the store."""

    @abstractmethod
    async def open_async(self) -> OpenParts:
        """`open` for an event loop."""

    @property
    def client(self) -> Client:
        """The client: jobs, queues, workers, types, events and figures."""
        return self.open().client

    @property
    def overview(self) -> FormerOverview:
        """What `client` has now; its attributes warn with their new names."""
        return FormerOverview(self.open().client)

    def enqueue(
        self, type: str, args: Mapping[str, Any] | None = None, *, tx: object | None = None, **options: Any
    ) -> JobHandle:
        """Store a job of a type whose code may be elsewhere. Options as in `JobOptions`.

        `tx`: a connection of yours, in whose open transaction the job is stored; it exists once you commit."""
        return self.open().client.jobs.enqueue(type, args or {}, options, tx=tx)

    async def enqueue_async(
        self, type: str, args: Mapping[str, Any] | None = None, *, tx: object | None = None, **options: Any
    ) -> JobHandle:
        """`enqueue` for an event loop."""
        jobs = (await self.open_async()).client.jobs
        return await jobs.enqueue_async(type, args or {}, options, tx=tx)

    def enqueue_many(
        self, type: str, args: Iterable[Mapping[str, Any]], *, tx: object | None = None, **options: Any
    ) -> list[JobHandle]:
        """One job for each mapping, in one transaction: all or none."""
        return self.open().client.jobs.enqueue_many(type, args, options, tx=tx)

    async def enqueue_many_async(
        self, type: str, args: Iterable[Mapping[str, Any]], *, tx: object | None = None, **options: Any
    ) -> list[JobHandle]:
        """`enqueue_many` for an event loop."""
        jobs = (await self.open_async()).client.jobs
        return await jobs.enqueue_many_async(type, args, options, tx=tx)

    def handle(self, job_id: str) -> JobHandle:
        """The job with this id. Raises NotFound."""
        return self.open().client.jobs.handle(job_id)
