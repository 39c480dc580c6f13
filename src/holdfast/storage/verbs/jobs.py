"""Verbs that store jobs, act on them and read what is kept of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from holdfast.core.commands import Action
from holdfast.core.job import Inserted, NewJob
from holdfast.core.query import Query
from holdfast.core.records import HistoryRecord, JobRecord, LogRecord, SavedRecord

MAX_IDS: Final = 1_000
"""Ids that one read takes; the others are ignored."""

MAX_N: Final = 2**63 - 1  # above the number of any console line


class JobWrites(Protocol):
    """What callers and people do to jobs."""

    def insert(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        """Store new jobs. A repeated id or idempotency key, or a unique key held by an active job of the same type, stores
        nothing and returns the existing job (`created` False)."""
        ...

    def command(
        self, job_id: str, action: Action, *, actor: str | None, reason: str | None
    ) -> JobRecord | None:
        """Apply an action to a job (`holdfast.core.commands.decide`). Returns the job as it is now, None once deleted.

        Raises NotFound or Conflict; then nothing was changed."""
        ...

    def command_all(
        self, job_ids: Sequence[str], action: Action, *, actor: str | None, reason: str | None
    ) -> list[str | None]:
        """`command` for many jobs, locked in order of `seq`. Returns why each was refused, or None; a refused job hinders no
        other."""
        ...


class JobReads(Protocol):
    """One job, and all that belongs to it."""

    def job(self, job_id: str) -> JobRecord | None:
        """One job."""
        ...

    def jobs(self, ids: Sequence[str], query: Query | None = None) -> list[JobRecord]:
        """The given jobs that exist (and match `query`), at most MAX_IDS, in no order. One statement."""
        ...

    def history(self, job_id: str) -> list[HistoryRecord]:
        """All committed changes of a job, oldest first."""
        ...

    def saved(self, job_id: str) -> SavedRecord | None:
        """The last saved state of a job."""
        ...

    def logs(self, job_id: str, *, after: int, limit: int, before: int | None = None) -> list[LogRecord]:
        """Console lines with n > `after` (and n < `before`), oldest first. A negative `after` -k: the last k of them."""
        ...

    def log_count(self, job_id: str, *, before: int | None = None) -> int:
        """How many console lines a job has (with n < `before`)."""
        ...

    def states(self) -> dict[str, int]:
        """Number of jobs in each state, all states named."""
        ...
