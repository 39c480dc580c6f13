"""Verbs of the leader's periodic tasks, and what they count for the overview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from holdfast.core.records import BucketRecord, OutcomeRecord, Swept
from holdfast.core.states import DIED

MINUTE: Final = 60_000_000
"""Microseconds for which outcomes are counted together."""


class MaintenanceWrites(Protocol):
    """Promote, rescue, expire, aggregate: each in bounded batches."""

    def promote(self, limit: int) -> tuple[int, int | None]:
        """Enqueue up to `limit` scheduled jobs that are due. Returns how many, and when the next one is due."""
        ...

    def rescue(self, dead: Sequence[str] = (), *, why: str = DIED) -> list[Swept]:
        """Requeue the jobs of workers that are dead: those named in `dead` (their process is known to have ended)
        and those whose lease has run out or whose row is gone. A requested cancel or pause is honoured; everything
        else is enqueued again, with its saved state and a reason: `why` for jobs of `dead`, else LEASE_EXPIRED.
        `crashes` grows by one up to CRASHES_BEFORE_ISOLATION: such a job then runs alone in a child process, and
        only the death of that child counts further (see `Settlement.crashed`). So a process that is killed often
        does not condemn the innocent jobs in it."""
        ...

    def expire(self, limit: int) -> int:
        """Remove up to `limit` ended jobs whose retention is over, with all that belongs to them, and old events. Returns
        how many jobs."""
        ...

    def aggregate_events(self, limit: int) -> int:
        """Add the next events, up to `limit` sequence numbers, to the buckets of ten seconds and to the outcomes of each
        type. Returns by how many numbers it advanced, 0 when all are counted."""
        ...

    def prove(self) -> None:
        """Store something without a meaning, so that the commit proves that writes are accepted. Emits no event."""
        ...


class MaintenanceReads(Protocol):
    """What is due, and what was counted."""

    def next_due(self) -> int | None:
        """When the next scheduled job is due."""
        ...

    def write_lock_holder(self) -> tuple[int, int] | None:
        """The process of this host that is in a writing transaction which keeps all others from writing, and a number that
        every commit changes. None when there is none, and for stores in which one writer does not block the others."""
        ...

    def buckets(self, *, since: int, step: int) -> list[BucketRecord]:
        """What started and ended per `step` seconds since `since`, oldest first, empty buckets left out."""
        ...

    def outcomes(self, *, since: int) -> list[OutcomeRecord]:
        """How attempts ended since the minute of `since`, for each type that had any, by name. An attempt that is to be
        retried has failed. Counted by `aggregate_events`, and kept for KEEP_OUTCOMES."""
        ...
