"""Calls of writing verbs on their way to the store, and how several of them become one call and are told apart again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

from holdfast.core.outcome import Settlement
from holdfast.core.states import State
from holdfast.storage.protocol import BULK_VERBS, WAKES, Topic

OF_JOBS: Final = frozenset({"settle", "report"})
"""Verbs whose items each name a job, by `seq`."""


class Operation:
    """One call of a writing verb on its way to the store. `future` only for those who wait without taking the turn: making
    and settling one costs as much as everything else here together. `called`: wakes its caller, where it has to wait.
    `patient`: it comes again when others are in its way, for a while. `aside`: it has left the line to do so, was run so
    often since, and is given up then (`tries`, `until`)."""

    __slots__ = (
        *("answer", "args", "aside", "called", "done", "error", "future", "kwargs"),
        *("patient", "tries", "until", "verb"),
    )
    tries: int
    until: float

    def __init__(
        self,
        verb: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        future: Future[Any] | None,
        *,
        patient: bool = True,
    ) -> None:
        self.verb = verb
        self.args = args
        self.kwargs = kwargs
        self.future = future
        self.patient = patient
        self.aside = False
        self.called: threading.Event | None = None
        self.done = False
        self.answer: Any = None
        self.error: Exception | None = None

    def begin(self) -> bool:
        """Whether it is still wanted; from now on its caller cannot give it up."""
        return self.future is None or self.future.set_running_or_notify_cancel()

    def succeed(self, answer: Any) -> None:
        self.answer = answer
        self.done = True
        self.call()
        if self.future is not None:
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        self.error = error
        self.done = True
        self.call()
        if self.future is not None:
            self.future.set_exception(error)

    def call(self) -> None:
        """Wake the caller: its answer is there, or the turn is its own."""
        if self.called is not None:
            self.called.set()


def jobs_of(operation: Operation) -> set[int]:
    """The jobs that an operation of OF_JOBS names."""
    return {item.seq for item in operation.args[0]} if operation.verb in OF_JOBS else set[int]()


def grouped(operations: Sequence[Operation]) -> list[list[Operation]]:
    """The operations in their order; neighbours of one bulk verb are one group."""
    groups: list[list[Operation]] = []
    for operation in operations:
        if groups and operation.verb in BULK_VERBS and groups[-1][0].verb == operation.verb:
            groups[-1].append(operation)
        else:
            groups.append([operation])
    return groups


def joined(group: Sequence[Operation]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The one call of a verb that serves a group."""
    first = group[0]
    if len(group) == 1:
        return first.verb, first.args, first.kwargs
    return first.verb, ([item for operation in group for item in operation.args[0]],), {}


def parted(group: Sequence[Operation], answer: Any) -> list[Any]:
    """What that call answers, for each operation its own."""
    if len(group) == 1:
        return [answer]
    parts: list[Any] = []
    start = 0
    for operation in group:
        end = start + len(operation.args[0])
        parts.append(answer[start:end])
        start = end
    return parts


def topics_of(operation: Operation, answer: Any) -> frozenset[Topic]:
    if operation.verb == "promote":
        answer = answer[0]
    if answer in ([], 0):
        return frozenset()
    topics = WAKES.get(operation.verb, frozenset())
    if operation.verb == "settle" and any(_waits_again(settlement) for settlement in operation.args[0]):
        return topics | {Topic.WORK}
    return topics


def _waits_again(settlement: Settlement) -> bool:
    return settlement.target in (State.ENQUEUED, State.SCHEDULED)
