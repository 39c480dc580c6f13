"""Verbs that read committed events, in commit order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.core.records import EventRecord


class EventReads(Protocol):
    """The feed of all changes. The writes that cause them add to it, each in its own transaction."""

    def last_event(self) -> int:
        """The sequence number of the newest committed event, 0 for none."""
        ...

    def oldest_event(self) -> int:
        """The sequence number of the oldest event that is still there."""
        ...

    def events(self, *, after: int, limit: int) -> list[EventRecord]:
        """Committed events with seq > `after`, in commit order. A reader that resumes from the last seq it has seen misses
        none, unless they have been removed (`oldest_event`)."""
        ...

    def changed(self, *, after: int, ids: Sequence[str]) -> set[str]:
        """Which of `ids` have an event after `after`. One statement, whatever the number of events."""
        ...

    def transition_counts(self, *, after: int) -> dict[tuple[str | None, str | None], int]:
        """Number of state events after `after` by (previous state, state). One statement."""
        ...
