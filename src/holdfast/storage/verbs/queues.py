"""Verbs of queues."""

from __future__ import annotations

from typing import Protocol

from holdfast.core.records import PartitionRecord, QueueRecord


class QueueWrites(Protocol):
    """Whether jobs of a queue are claimed."""

    def pause_queue(self, name: str, *, actor: str | None, reason: str | None) -> None:
        """Stop claims from a queue. Jobs may still be added. Idempotent."""
        ...

    def resume_queue(self, name: str, *, actor: str | None) -> None:
        """Allow claims from a queue again. Idempotent."""
        ...


class QueueReads(Protocol):
    """The queues and what waits in them."""

    def queues(self) -> list[QueueRecord]:
        """Every queue that a job, a type or a pause names."""
        ...

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        """Each (queue, type) that has enqueued jobs, in this order; jobs are counted up to `cap`. Reads an index, however
        many jobs are stored."""
        ...
