"""One look at the store, whose query results all watchers share."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar, cast

from holdfast.client.client import Client
from holdfast.client.views import JobView
from holdfast.core.query import Query
from holdfast.core.records import EventRecord

MAX_EVENTS = 10_000
MAX_BATCH = 1_000
"""Ids in one query."""

T = TypeVar("T")


class Tick:
    """One look at the store. Each query runs once, however many watchers need its result. Used in the hub's thread only.

    `after`: the last event of the tick before. `seq`: the last event of this one; `more` follow it at once. `figures`:
    whether figures (counts, charts, tabs) may be drawn in this tick. `rate`: committed changes a second.
    """

    def __init__(self, client: Client, after: int, ids: frozenset[str], *, events: bool) -> None:
        self.client = client
        self.after = after
        self.figures = True
        self.rate = 0.0
        self.now = time.monotonic()
        self._ids = ids
        self._cache: dict[Hashable, Any] = {}
        self.seq = self.newest = client.events.last()
        self.more = False
        if events and self.seq > after:
            self._bound()

    def _bound(self) -> None:
        """End this tick with the last event that it holds; the next one continues there."""
        if len(self.events) == MAX_EVENTS and self.events[-1].seq < self.seq:
            self.seq, self.more = self.events[-1].seq, True

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The result of `compute`, which runs for the first caller with this key only."""
        if key not in self._cache:
            self._cache[key] = compute()
        return cast(T, self._cache[key])

    @property
    def events(self) -> list[EventRecord]:
        """The events after `after`, at most MAX_EVENTS."""
        return self.once("events", lambda: self.client.events.read(after=self.after, limit=MAX_EVENTS))

    @property
    def changed(self) -> frozenset[str]:
        """Which of the watched jobs have changed."""
        if self.seq <= self.after:
            return frozenset()
        return self.once("changed", lambda: self.changed_since(self.after, self._ids))

    def changed_since(self, after: int, ids: Iterable[str]) -> frozenset[str]:
        """Which of the given jobs have changed after an event."""
        found: set[str] = set()
        for batch in _batches(ids):
            found |= self.client.events.changed_jobs(after=after, ids=batch)
        return frozenset(found)

    def jobs(self, ids: frozenset[str]) -> dict[str, JobView]:
        """The given jobs that exist."""
        return self.once(
            ("jobs", ids),
            lambda: {view.id: view for batch in _batches(ids) for view in self.client.jobs.get_many(batch)},
        )

    def matching(self, ids: frozenset[str], key: Hashable, query: Query) -> dict[str, JobView]:
        """Those of the given jobs that match a search; `key` identifies the search."""

        def compute() -> dict[str, JobView]:
            return {
                view.id: view for batch in _batches(ids) for view in self.client.jobs.get_many(batch, query)
            }

        return self.jobs(ids) if query.root is None else self.once(("matching", ids, key), compute)

    def is_incomplete_after(self, seq: int) -> bool:
        """Whether an event after this one may have been removed already, or the event itself does not exist."""
        if seq > self.newest:
            return True
        between = self.once("oldest", self.client.events.oldest) - 1 - seq
        if between <= 0:
            return False
        # the store keeps some types of events longer than others; where none is missing, none has been removed
        kept = self.client.events.read(after=seq, limit=min(between, MAX_EVENTS))
        return len(kept) < between or kept[-1].seq > seq + between


def _batches(ids: Iterable[str]) -> Iterable[list[str]]:
    every = list(ids)
    return (every[start : start + MAX_BATCH] for start in range(0, len(every), MAX_BATCH))
