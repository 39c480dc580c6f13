"""One commit for the operations of many callers: the price of durability is paid once for all of them.

Whoever wants something stored puts an operation into the line and asks for the writing turn. The one who gets the turn takes
everything that waits, runs it in one transaction, commits, and hands out the answers; the others find theirs ready when the
turn comes to them. Synchronous callers take the turn themselves (no change of thread), asynchronous ones leave it to the
gateway's own thread. A caller has its answer only after the commit.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.core.outcome import Settlement
from holdfast.core.states import State
from holdfast.storage.direct import Call, Direct
from holdfast.storage.protocol import BULK_VERBS, WAKES, Contended, Store, Topic

MOST_AT_ONCE = 512
"""Operations in one transaction: enough to share a commit, few enough that nobody waits long for it."""

PATIENCE = 15.0
"""Seconds a caller waits for its turn before it gives up; its operation is then taken out of the line, not run later."""


MOST_TRIES = 6
"""So often a transaction is run that others were in the way of. Each has rolled back whole, so none is stored twice."""

TRIES_TOGETHER = 2
"""So often of these the calls of several callers are run together. Then each runs alone: a row that is locked for long
concerns one of them."""

PAUSE = 0.005
"""Seconds, about, before the second try; it doubles."""


class Operation:
    """One call of a writing verb on its way to the store. `future` only for those who wait without taking the turn: making
    and settling one costs as much as everything else here together. `called`: wakes its caller, where he has to wait."""

    __slots__ = ("answer", "args", "called", "done", "error", "future", "kwargs", "verb")

    def __init__(
        self, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any], future: Future[Any] | None
    ) -> None:
        self.verb = verb
        self.args = args
        self.kwargs = kwargs
        self.future = future
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
        """Wake the caller: his answer is there, or the turn is his."""
        if self.called is not None:
            self.called.set()


class Gateway:
    """The only way to the writing verbs of a store. Usable from any thread and any event loop, but not across a fork."""

    def __init__(
        self,
        store: Store,
        notify: Callable[[frozenset[Topic]], None],
        at_commit: Callable[[frozenset[Topic]], Mapping[Topic, str]] | None = None,
    ) -> None:
        self._store = store
        self._direct = store if isinstance(store, Direct) else None
        self._notify = notify
        self._at_commit = at_commit
        """Channels by which a commit itself tells of some topics; then `notify` is not called for them."""
        self._waiting: deque[Operation] = deque()
        self._turn = threading.Lock()
        self._starting = threading.Lock()  # two threads would share the wake-ups of one, and close would hang
        self._signal = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._closed = False
        self._in_statements = False
        """The transaction has begun, and not come to its commit: what fails now is one of its statements."""

    def call(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Run a verb and wait for its commit; answers what the verb answers, raises what it raises."""
        operation = self._put(verb, args, kwargs, None)
        while not operation.done:
            if self._turn.acquire(blocking=False):
                try:
                    if not operation.done:
                        self._run_waiting()
                finally:
                    self._pass_on()
            elif operation.called is None:
                operation.called = threading.Event()  # looks once more: what came before it was not heard
            elif operation.called.wait(PATIENCE):
                operation.called.clear()
            elif self._withdraw(operation):
                self._call_first()  # had it just been called, nobody else would be
                raise StorageUnavailable(
                    f"The database did not take the call within {PATIENCE:g} s. Nothing was stored."
                )
        if operation.error is not None:
            raise operation.error
        return operation.answer

    def submit(self, verb: str, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a verb on the gateway's thread; the future is done after the commit."""
        future = Future[Any]()
        self._put(verb, args, kwargs, future)
        self._wake()
        return future

    def submit_together(self, *calls: tuple[str, tuple[Any, ...]]) -> list[Future[Any]]:
        """Several verbs that go into the line side by side, so that one transaction serves them, in this order."""
        futures = [Future[Any]() for _ in calls]
        for (verb, args), future in zip(calls, futures, strict=True):
            self._put(verb, args, {}, future)
        self._wake()
        return futures

    async def acall(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """`call` for an event loop: the loop goes on while the commit is under way."""
        return await asyncio.wrap_future(self.submit(verb, *args, **kwargs))

    def close(self) -> None:
        """Run what waits, then stop the thread. Idempotent."""
        self._closed = True
        if self._thread is not None and self._process == os.getpid():
            self._signal.release()
            self._thread.join()
            self._thread = None

    def _put(
        self, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any], future: Future[Any] | None
    ) -> Operation:
        if self._process != os.getpid():
            raise StorageRefused("This store was opened before a fork; open the app anew in each process.")
        if self._closed:
            raise StorageUnavailable("This program has closed its store; nothing can be stored any more.")
        operation = Operation(verb, args, kwargs, future)
        self._waiting.append(operation)
        return operation

    def _withdraw(self, operation: Operation) -> bool:
        try:
            self._waiting.remove(operation)
        except ValueError:
            return False  # somebody has taken it: its answer is near
        return True

    def _pass_on(self) -> None:
        """Give the turn to the first who waits. Those behind him go on sleeping: they will find their answers, instead of
        taking the turn one after the other for what they alone want."""
        self._turn.release()
        self._call_first()

    def _call_first(self) -> None:
        with suppress(IndexError):  # nobody waits
            self._waiting[0].call()

    def _wake(self) -> None:
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name="holdfast-gateway", daemon=True)
                    self._thread.start()
        self._signal.release()

    def _serve(self) -> None:
        while True:
            self._signal.acquire()
            self._turn.acquire()
            try:
                while self._waiting:
                    self._run_waiting()
            finally:
                self._pass_on()
            if self._closed:
                return

    # -- with the turn ----------------------------------------------------------------------------------------------------

    def _run_waiting(self) -> None:
        taken: list[Operation] = []
        while self._waiting and len(taken) < MOST_AT_ONCE:
            operation = self._waiting.popleft()
            if operation.begin():
                taken.append(operation)
        if not taken:
            return
        try:
            self._serve_all(taken)
        except BaseException:  # Ctrl-C in the thread that had the turn: the others must not wait for ever
            for operation in taken:
                if not operation.done:
                    operation.fail(
                        StorageUnavailable("The call was interrupted. Nothing was stored; repeat it.")
                    )
            raise

    def _serve_all(self, operations: Sequence[Operation]) -> None:
        try:
            answers, told = self._run_together(operations)
        except Exception as error:
            if len(operations) > 1 and self._concerns_one(error):
                self._run_one_by_one(operations)
                return
            for operation in operations:
                operation.fail(error)
        else:
            self._hand_out(operations, answers, told)

    def _concerns_one(self, error: Exception) -> bool:
        """Whether the others may pass without the one that has failed: a statement has, and not the store itself."""
        return self._in_statements or not isinstance(error, StorageUnavailable)

    def _run_one_by_one(self, operations: Sequence[Operation]) -> None:
        """Each in a transaction of its own. One that others are in the way of comes again after all others."""
        left, tries, silent = list(operations), TRIES_TOGETHER, 0
        while left:
            contended: list[Operation] = []
            for position, operation in enumerate(left):
                try:
                    answers, told = self._run_once([operation])
                except Exception as error:
                    is_contended = isinstance(error, Contended)
                    if is_contended and tries + 1 < MOST_TRIES:
                        contended.append(operation)
                        continue
                    operation.fail(error)
                    silent += isinstance(error, StorageUnavailable) and not is_contended
                    if silent > 1 or not self._concerns_one(error):  # the store is away, for all of them
                        for other in (*contended, *left[position + 1 :]):
                            other.fail(error)
                        return
                else:
                    self._hand_out([operation], answers, told)
            left = contended
            if left:
                _pause(tries)
                tries += 1

    def _hand_out(
        self, operations: Sequence[Operation], answers: Sequence[Any], told: frozenset[Topic]
    ) -> None:
        topics: set[Topic] = set()
        for operation, answer in zip(operations, answers, strict=True):
            operation.succeed(answer)
            topics |= _topics(operation, answer)
        if topics - told:
            self._notify(frozenset(topics - told))

    def _run_together(self, operations: Sequence[Operation]) -> tuple[list[Any], frozenset[Topic]]:
        for tries in range(MOST_TRIES - 1):
            try:
                return self._run_once(operations)
            except Contended:
                if len(operations) > 1 and self._in_statements and tries + 1 >= TRIES_TOGETHER:
                    raise
                _pause(tries)
        return self._run_once(operations)

    def _run_once(self, operations: Sequence[Operation]) -> tuple[list[Any], frozenset[Topic]]:
        """The answers, and the topics that the commit has told of."""
        groups = _groups(operations)
        calls = [_joined(group) for group in groups]
        told = frozenset[Topic]()
        answers = None
        self._in_statements = False
        if self._direct is not None and not any(kwargs for *_, kwargs in calls):
            answers, told = self._run_directly(self._direct, [(verb, args) for verb, args, _ in calls])
        if answers is None:
            with self._store.transaction():
                self._in_statements = True
                answers = [getattr(self._store, verb)(*args, **kwargs) for verb, args, kwargs in calls]
                self._in_statements = False
        parts = [
            part for group, answer in zip(groups, answers, strict=True) for part in _parts(group, answer)
        ]
        return parts, told

    def _run_directly(
        self, store: Direct, calls: Sequence[Call]
    ) -> tuple[list[Any] | None, frozenset[Topic]]:
        told: dict[Topic, str] = {}

        def channels() -> Sequence[str]:
            if self._at_commit is not None:
                told.update(self._at_commit(WAKES["insert"]))
            return list(told.values())

        answers = store.directly(calls, channels)
        return answers, frozenset() if answers is None else frozenset(told)


def _pause(tries: int) -> None:
    """Before a transaction is run again, after so many tries before the last one."""
    time.sleep(PAUSE * 2**tries * (0.5 + random.random()))


def _groups(operations: Sequence[Operation]) -> list[list[Operation]]:
    """The operations in their order; neighbours of one bulk verb are one group."""
    groups: list[list[Operation]] = []
    for operation in operations:
        if groups and operation.verb in BULK_VERBS and groups[-1][0].verb == operation.verb:
            groups[-1].append(operation)
        else:
            groups.append([operation])
    return groups


def _joined(group: Sequence[Operation]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """The one call of a verb that serves a group."""
    first = group[0]
    if len(group) == 1:
        return first.verb, first.args, first.kwargs
    return first.verb, ([item for operation in group for item in operation.args[0]],), {}


def _parts(group: Sequence[Operation], answer: Any) -> list[Any]:
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


def _topics(operation: Operation, answer: Any) -> frozenset[Topic]:
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
