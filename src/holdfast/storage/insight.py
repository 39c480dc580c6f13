"""The reading verbs behind a judgement of the whole system: each one reads an index, however many jobs are stored."""

from __future__ import annotations

from typing import Final, Protocol

from holdfast.core.records import OutcomeRecord, PartitionRecord

MINUTE: Final = 60_000_000
OUTCOMES_STAY: Final = 86_400
"""Seconds that the outcomes of a minute are kept."""


class Insight(Protocol):
    """What waits for whom, how each type fares, and when the scheduler was seen last."""

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        """Each (queue, type) that has enqueued jobs, in this order; jobs are counted up to `cap`."""
        ...

    def outcomes(self, *, since: int) -> list[OutcomeRecord]:
        """How attempts ended since the minute of `since`, for each type that had any, by name. An attempt that is to be
        retried has failed. Counted by `roll_up`, and kept for OUTCOMES_STAY."""
        ...

    def led_until(self, role: str) -> int | None:
        """When the newest lease of a role ends or has ended; None when nobody ever led it."""
        ...
