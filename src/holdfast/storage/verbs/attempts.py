"""Verbs by which workers claim jobs, report on them and settle them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import Report, Settlement
from holdfast.core.records import Asked

LOST: Final = "lost"
"""The guard did not match: the job belongs to another attempt, has ended, or is gone. Nothing was written."""


class AttemptWrites(Protocol):
    """The course of an attempt."""

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        """Move up to `limit` enqueued jobs of these queues and types to *processing* under the worker, token + 1 each.

        Order: priority (high first), then age. Jobs of paused queues are not claimed. Returns [] for a worker that is not
        registered, drains, is lost, or whose lease is over."""
        ...

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        """End attempts. Returns the new state of each, or LOST. A request that was accepted before is honoured first
        (`holdfast.core.outcome.answer_request`). A repeated settlement with the same token returns LOST."""
        ...

    def report(self, reports: Sequence[Report]) -> list[str]:
        """Write progress, console lines and saved state of running attempts. Returns for each what is requested of the job
        ("pause", "cancel" or ""), or LOST."""
        ...

    def unlocked(self, seqs: Sequence[int]) -> set[int]:
        """Those of these jobs whose rows no other transaction has locked; all where there is one writer at a time."""
        ...


class AttemptReads(Protocol):
    """What runs where, and what is requested of it."""

    def pending_requests(self, workers: Sequence[str]) -> list[Asked]:
        """Requests (pause, cancel) for the jobs that these workers are processing."""
        ...

    def claims_of(self, worker: str) -> list[tuple[int, int]]:
        """(seq, token) of every job that is processing under a worker."""
        ...

    def overdue(self, workers: Sequence[str], *, grace: float) -> list[tuple[str, str]]:
        """(worker, job id) of jobs under these workers that should have ended `grace` seconds ago, by their time limit or by
        a cancel: their process does not react. The limit of a suspect is its child's (CRASHES_BEFORE_ISOLATION)."""
        ...
