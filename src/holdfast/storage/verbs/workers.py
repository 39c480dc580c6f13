"""Verbs of worker processes and of the job types they publish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.core.job import TypeRow, WorkerRow
from holdfast.core.records import TypeRecord, WorkerRecord


class WorkerWrites(Protocol):
    """The life of a worker process."""

    def register_worker(self, worker: WorkerRow, *, lease: float) -> None:
        """Store a worker process with a lease of so many seconds."""
        ...

    def heartbeat(self, workers: Sequence[str], *, lease: float) -> set[str]:
        """Renew the leases of these workers. Returns the ids whose leases are valid. A worker that is missing must stop."""
        ...

    def drain_worker(self, worker: str) -> None:
        """Mark a worker as draining: it claims nothing more."""
        ...

    def retire_worker(self, worker: str) -> None:
        """Remove the row of a worker that has stopped gracefully."""
        ...

    def publish_types(self, types: Sequence[TypeRow]) -> None:
        """Make job types known to programs that do not contain their code."""
        ...


class WorkerReads(Protocol):
    """Who runs jobs, and which."""

    def workers(self) -> list[WorkerRecord]:
        """Every worker process in the order of their starts, after them the lost ones, for 24 h at least."""
        ...

    def types(self) -> list[TypeRecord]:
        """Every published job type."""
        ...
