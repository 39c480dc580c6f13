"""Writes on their way to the store, and how several of them become one and are separated again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, cast

from holdfast.storage.writes import BatchWrite, Write


class PendingWrite:
    """A write and its caller, until its commit. `future` only for callers that do not take the write lock themselves: making
    and settling one costs as much as everything else here together. `called`: wakes its caller, where it has to wait.
    `repeats`: run again for a while when other transactions are in its way. `aside`: it has left the queue for that, was run
    `tries` times since, and fails at `until`."""

    __slots__ = (
        *("aside", "called", "done", "error", "future", "repeats", "result", "tries"),
        *("until", "write"),
    )
    tries: int
    until: float

    def __init__(self, write: Write[Any], future: Future[Any] | None, *, repeats: bool = True) -> None:
        self.write = write
        self.future = future
        self.repeats = repeats
        self.aside = False
        self.called: threading.Event | None = None
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None

    def begin(self) -> bool:
        """Whether it is still wanted; from now on its caller cannot cancel it."""
        return self.future is None or self.future.set_running_or_notify_cancel()

    def succeed(self, result: Any) -> None:
        self.result = result
        self.done = True
        self.call()
        if self.future is not None:
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        self.error = error
        self.done = True
        self.call()
        if self.future is not None:
            self.future.set_exception(error)

    def call(self) -> None:
        """Wake the caller: its result is there, or the write lock is its own."""
        if self.called is not None:
            self.called.set()


def grouped(pending: Sequence[PendingWrite]) -> list[list[PendingWrite]]:
    """The writes in their order; neighbours that can be joined are one group."""
    groups: list[list[PendingWrite]] = []
    for one in pending:
        if groups and one.write.joins and type(groups[-1][0].write) is type(one.write):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def joined(group: Sequence[PendingWrite]) -> Write[Any]:
    """The one write that serves a group."""
    if len(group) == 1:
        return group[0].write
    first, *others = batches(group)
    return first.join([other.items for other in others])


def batches(group: Sequence[PendingWrite]) -> list[BatchWrite[Any, Any]]:
    """The writes of a group of several."""
    return [cast("BatchWrite[Any, Any]", one.write) for one in group]


def separated(group: Sequence[PendingWrite], result: Any) -> list[Any]:
    """What that write returned, for each of the group its own part."""
    if len(group) == 1:
        return [result]
    parts: list[Any] = []
    start = 0
    for write in batches(group):
        end = start + len(write.items)
        parts.append(result[start:end])
        start = end
    return parts
