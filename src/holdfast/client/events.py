"""Committed changes: waiting for them and reading them in their order."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

from holdfast.core.records import EventRecord
from holdfast.runtime.signals import Listener, Signals
from holdfast.storage.protocol import Reader
from holdfast.storage.topics import Topic


class Events:
    """The committed changes of all jobs, each with a number that grows."""

    def __init__(self, reader: Reader, signals: Signals) -> None:
        self._reader = reader
        self._signals = signals

    @contextmanager
    def listen(self, topics: Iterable[Topic]) -> Generator[Listener]:
        """A listener that wakes when something of these topics changes. A wake-up is a hint and may be lost: look again
        from time to time too."""
        listener = self._signals.listen(topics)
        try:
            yield listener
        finally:
            listener.close()

    def last(self) -> int:
        """The number of the newest event, 0 when there is none."""
        return self._reader.last_event()

    def oldest(self) -> int:
        """The number of the oldest event that is still stored."""
        return self._reader.oldest_event()

    def read(self, *, after: int, limit: int) -> list[EventRecord]:
        """At most `limit` events after the one with the number `after`, oldest first."""
        return self._reader.events(after=after, limit=limit)

    def changed_jobs(self, *, after: int, ids: Sequence[str]) -> set[str]:
        """Which of these jobs have an event after the one with the number `after`."""
        return self._reader.changed(after=after, ids=ids)
