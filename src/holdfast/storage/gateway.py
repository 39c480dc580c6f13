"""One commit for the operations of many callers: the price of durability is paid once for all of them.

Whoever wants something stored puts an operation into the line and asks for the writing turn. The one who gets the turn takes
everything that waits, runs it in one transaction, commits, and hands out the answers; the others find theirs ready when the
turn comes to them. Synchronous callers take the turn themselves (no change of thread), asynchronous ones leave it to the
gateway's own thread. A caller has its answer only after the commit.

What needs a row that somebody else has locked leaves the line: the others go on without it, and it comes again later.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.storage.aside import Aside, pause
from holdfast.storage.direct import Call, Direct
from holdfast.storage.operation import Operation, grouped, jobs_of, joined, parted, topics_of
from holdfast.storage.protocol import WAKES, Contended, Store, Topic

MOST_AT_ONCE = 512
"""Operations in one transaction: enough to share a commit, few enough that nobody waits long for it."""

PATIENCE = 15.0
"""Seconds a caller waits for its turn before it gives up; its operation is then taken out of the line, not run later."""

MAX_TRIES = 12
"""So often a transaction is begun again that others keep from beginning: for several seconds."""

log = logging.getLogger("holdfast.storage")  # the standard one: programs that only enqueue load no other


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
        self._aside = Aside()
        self._turn = threading.Lock()
        self._starting = threading.Lock()  # two threads would share the wake-ups of one, and close would hang
        self._signal = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._closed = False
        self._in_statements = False
        """The transaction has begun, and not come to its commit: what fails now is one of its statements."""
        self._begun = False

    def call(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Run a verb and wait for its commit; answers what the verb answers, raises what it raises."""
        operation = self._put(verb, args, kwargs, None)
        while not operation.done:
            if not operation.aside and self._turn.acquire(blocking=False):
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

    def submit_together(self, *calls: tuple[str, tuple[Any, ...]], patient: bool = True) -> list[Future[Any]]:
        """Several verbs that go into the line side by side, so that one transaction serves them, in this order. Not
        `patient`: one that others are in the way of fails at once, and is not run again."""
        futures = [Future[Any]() for _ in calls]
        for (verb, args), future in zip(calls, futures, strict=True):
            self._put(verb, args, {}, future, patient=patient)
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
        self,
        verb: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        future: Future[Any] | None,
        *,
        patient: bool = True,
    ) -> Operation:
        if self._process != os.getpid():
            raise StorageRefused("This store was opened before a fork; open the app anew in each process.")
        if self._closed:
            raise StorageUnavailable("This program has closed its store; nothing can be stored any more.")
        if future is not None:
            self._have_thread()  # first: what raises is not run later
        operation = Operation(verb, args, kwargs, future, patient=patient)
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
        self._have_thread()
        self._signal.release()

    def _have_thread(self) -> None:
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    thread = threading.Thread(target=self._serve, name="holdfast-gateway", daemon=True)
                    thread.start()
                    self._thread = thread

    def _serve(self) -> None:
        while True:
            self._signal.acquire(timeout=None if self._closed else self._aside.wait())
            self._turn.acquire()
            try:
                while self._waiting:
                    self._run_waiting()
                self._run_aside()
            except Exception:
                log.exception("a transaction failed in an unexpected way; the next one is run")
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

    def _serve_all(self, operations: Sequence[Operation], *, again: bool = False) -> None:
        """`again`: what others hindered was told apart from these already."""
        try:
            answers, told = self._run_begun(operations)
        except Contended as error:
            if len(operations) == 1:
                self._come_again(operations[0], error)
            elif again:
                self._run_one_by_one(operations)
            else:
                free, hindered = self._told_apart(operations)
                if free:
                    self._serve_all(free, again=True)
                for operation in hindered:
                    self._come_again(operation, error)
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

    def _told_apart(self, operations: Sequence[Operation]) -> tuple[list[Operation], list[Operation]]:
        """Those that nobody hinders, as far as it can be seen, and the others."""
        jobs = [(operation, jobs_of(operation)) for operation in operations]
        wanted = sorted(set[int]().union(*(seqs for _, seqs in jobs)))
        if not wanted:
            return list(operations), []
        try:
            with self._store.transaction():
                unlocked = self._store.unlocked(wanted)
        except StorageUnavailable:
            return list(operations), []
        free = [operation for operation, seqs in jobs if seqs <= unlocked]
        return free, [operation for operation, seqs in jobs if not seqs <= unlocked]

    def _run_one_by_one(self, operations: Sequence[Operation]) -> None:
        """Each in a transaction of its own."""
        silent = 0
        for position, operation in enumerate(operations):
            try:
                answers, told = self._run_once([operation])
            except Contended as error:
                self._come_again(operation, error)
            except Exception as error:
                operation.fail(error)
                silent += isinstance(error, StorageUnavailable)
                if silent > 1 or not self._concerns_one(error):  # the store is away, for all of them
                    for other in operations[position + 1 :]:
                        other.fail(error)
                    return
            else:
                self._hand_out([operation], answers, told)

    def _come_again(self, operation: Operation, error: Contended) -> None:
        """Others are in its way: it is run again after a pause, while the line goes on. Nothing of it was stored."""
        if self._closed or not self._aside.put(operation):
            operation.fail(error)
        else:
            self._wake()

    def _run_aside(self) -> None:
        """Run again what is due, each in a transaction of its own; everything at the end."""
        if self._closed:
            self._run_one_by_one(self._aside.take_all())
            return
        while operation := self._aside.take():
            began = time.monotonic()
            self._run_one_by_one([operation])
            self._aside.spent(time.monotonic() - began)

    def _hand_out(
        self, operations: Sequence[Operation], answers: Sequence[Any], told: frozenset[Topic]
    ) -> None:
        topics: set[Topic] = set()
        for operation, answer in zip(operations, answers, strict=True):
            operation.succeed(answer)
            topics |= topics_of(operation, answer)
        if topics - told:
            try:
                self._notify(frozenset(topics - told))
            except Exception:  # it is committed all the same, and whoever waits looks by itself after a while
                log.exception("a signal could not be given")

    def _run_begun(self, operations: Sequence[Operation]) -> tuple[list[Any], frozenset[Topic]]:
        """`_run_once`, tried again while others keep every transaction from beginning, as at the moment of a seal."""
        for tries in range(MAX_TRIES):
            try:
                return self._run_once(operations)
            except Contended:
                if self._begun:
                    raise
            time.sleep(pause(tries))
        return self._run_once(operations)

    def _run_once(self, operations: Sequence[Operation]) -> tuple[list[Any], frozenset[Topic]]:
        """The answers, and the topics that the commit has told of."""
        groups = grouped(operations)
        calls = [joined(group) for group in groups]
        told = frozenset[Topic]()
        answers = None
        self._begun = self._in_statements = False
        if self._direct is not None and not any(kwargs for *_, kwargs in calls):
            self._begun = True
            answers, told = self._run_directly(self._direct, [(verb, args) for verb, args, _ in calls])
        if answers is None:
            self._begun = False
            with self._store.transaction():
                self._begun = self._in_statements = True
                answers = [getattr(self._store, verb)(*args, **kwargs) for verb, args, kwargs in calls]
                self._in_statements = False
        parts = [
            part for group, answer in zip(groups, answers, strict=True) for part in parted(group, answer)
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
