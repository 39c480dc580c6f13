"""Group commit: the writes of many callers share one transaction, and so the price of its durability.

A caller puts its write into the queue and asks for the write lock. The thread that gets the lock takes all waiting writes,
runs them in one transaction, commits, and returns the results; the other callers find theirs ready. Synchronous callers take
the lock themselves (no change of thread), asynchronous ones leave it to the gateway's own thread. A caller has its result
only after the commit.

A write that needs a row which another transaction has locked leaves the queue, and is run again later.
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
from typing import Any, TypeVar, cast

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.storage.aside import Aside, pause
from holdfast.storage.errors import Contended
from holdfast.storage.fast_path import SingleRoundTrip
from holdfast.storage.pending import PendingWrite, grouped, joined, separated
from holdfast.storage.protocol import Store
from holdfast.storage.topics import Topic
from holdfast.storage.writes import Insert, Write

R = TypeVar("R")

MAX_BATCH = 512
"""Writes in one transaction: enough to share a commit, few enough that no caller waits long for it."""

TIMEOUT = 15.0
"""Seconds for which a caller waits for the write lock; then its write is taken out of the queue, not run later."""

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
        self._fast_path = store if isinstance(store, SingleRoundTrip) else None
        self._notify = notify
        self._at_commit = at_commit
        """Channels by which a commit itself tells of some topics; then `notify` is not called for them."""
        self._waiting: deque[PendingWrite] = deque()
        self._aside = Aside()
        self._write_lock = threading.Lock()
        self._starting = threading.Lock()  # two threads would share the wake-ups of one, and close would hang
        self._signal = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._closed = False
        self._in_statements = False
        """The transaction has begun, and not come to its commit: what fails now is one of its statements."""
        self._begun = False

    def run(self, write: Write[R]) -> R:
        """Make a write and wait for its commit. Returns what the write returns, raises what it raises."""
        pending = self._put(write, None)
        while not pending.done:
            if not pending.aside and self._write_lock.acquire(blocking=False):
                try:
                    if not pending.done:
                        self._run_waiting()
                finally:
                    self._pass_on()
            elif pending.called is None:
                pending.called = threading.Event()  # looks once more: what came before it was not heard
            elif pending.called.wait(TIMEOUT):
                pending.called.clear()
            elif self._withdraw(pending):
                self._call_first()  # had it just been called, no other would be
                raise StorageUnavailable(
                    f"The database did not take the call within {TIMEOUT:g} s. Nothing was stored."
                )
        if pending.error is not None:
            raise pending.error
        return cast(R, pending.result)

    def submit(self, write: Write[R]) -> Future[R]:
        """Make a write on the gateway's thread; the future is done after the commit."""
        future = Future[R]()
        self._put(write, future)
        self._wake()
        return future

    def submit_together(self, *writes: Write[Any], repeats: bool = True) -> list[Future[Any]]:
        """Several writes that enter the queue side by side, so that one transaction serves them, in this order. Without
        `repeats` one that other transactions are in the way of fails at once, and is not run again."""
        futures = [Future[Any]() for _ in writes]
        for write, future in zip(writes, futures, strict=True):
            self._put(write, future, repeats=repeats)
        self._wake()
        return futures

    async def run_async(self, write: Write[R]) -> R:
        """`run` for an event loop, which is not blocked while the commit is under way."""
        return await asyncio.wrap_future(self.submit(write))

    def close(self) -> None:
        """Run what waits, then stop the thread. Idempotent."""
        self._closed = True
        if self._thread is not None and self._process == os.getpid():
            self._signal.release()
            self._thread.join()
            self._thread = None

    def _put(self, write: Write[R], future: Future[R] | None, *, repeats: bool = True) -> PendingWrite:
        if self._process != os.getpid():
            raise StorageRefused("This store was opened before a fork; open the app anew in each process.")
        if self._closed:
            raise StorageUnavailable("This program has closed its store; nothing can be stored any more.")
        if future is not None:
            self._have_thread()  # first: what raises is not run later
        pending = PendingWrite(write, future, repeats=repeats)
        self._waiting.append(pending)
        return pending

    def _withdraw(self, one: PendingWrite) -> bool:
        try:
            self._waiting.remove(one)
        except ValueError:
            return False  # somebody has taken it: its answer is near
        return True

    def _pass_on(self) -> None:
        """Pass the write lock to the first caller that waits. Those behind it sleep on: they will find their results,
        instead of taking the lock one after the other for their own writes."""
        self._write_lock.release()
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
            self._write_lock.acquire()
            try:
                while self._waiting:
                    self._run_waiting()
                self._run_aside()
            except Exception:
                log.exception("transaction failed unexpectedly; continuing with the next one")
            finally:
                self._pass_on()
            if self._closed:
                return

    # -- with the write lock ----------------------------------------------------------------------------------------------

    def _run_waiting(self) -> None:
        taken: list[PendingWrite] = []
        while self._waiting and len(taken) < MAX_BATCH:
            one = self._waiting.popleft()
            if one.begin():
                taken.append(one)
        if not taken:
            return
        try:
            self._serve_all(taken)
        except BaseException:  # Ctrl-C in the thread that had the turn: the others must not wait for ever
            for one in taken:
                if not one.done:
                    one.fail(StorageUnavailable("The call was interrupted. Nothing was stored; repeat it."))
            raise

    def _serve_all(self, pending: Sequence[PendingWrite], *, again: bool = False) -> None:
        """`again`: the writes that other transactions hinder were separated from these already."""
        try:
            results, notified = self._run_begun(pending)
        except Contended as error:
            if len(pending) == 1:
                self._set_aside(pending[0], error)
            elif again:
                self._run_one_by_one(pending)
            else:
                free, hindered = self._separated_by_locks(pending)
                if free:
                    self._serve_all(free, again=True)
                for one in hindered:
                    self._set_aside(one, error)
        except Exception as error:
            if len(pending) > 1 and self._concerns_one(error):
                self._run_one_by_one(pending)
                return
            for one in pending:
                one.fail(error)
        else:
            self._return_results(pending, results, notified)

    def _concerns_one(self, error: Exception) -> bool:
        """Whether the others may pass without the one that has failed: a statement has, and not the store itself."""
        return self._in_statements or not isinstance(error, StorageUnavailable)

    def _separated_by_locks(
        self, pending: Sequence[PendingWrite]
    ) -> tuple[list[PendingWrite], list[PendingWrite]]:
        """Those that nobody hinders, as far as it can be seen, and the others."""
        wanted = sorted(frozenset[int]().union(*(one.write.seqs for one in pending)))
        if not wanted:
            return list(pending), []
        try:
            with self._store.transaction():
                unlocked = self._store.unlocked(wanted)
        except StorageUnavailable:
            return list(pending), []
        free = [one for one in pending if one.write.seqs <= unlocked]
        return free, [one for one in pending if not one.write.seqs <= unlocked]

    def _run_one_by_one(self, pending: Sequence[PendingWrite]) -> None:
        """Each in a transaction of its own."""
        silent = 0
        for position, one in enumerate(pending):
            try:
                results, notified = self._run_once([one])
            except Contended as error:
                self._set_aside(one, error)
            except Exception as error:
                one.fail(error)
                silent += isinstance(error, StorageUnavailable)
                if silent > 1 or not self._concerns_one(error):  # the store is away, for all of them
                    for other in pending[position + 1 :]:
                        other.fail(error)
                    return
            else:
                self._return_results([one], results, notified)

    def _set_aside(self, one: PendingWrite, error: Contended) -> None:
        """Others are in its way: it is run again after a pause, while the line goes on. Nothing of it was stored."""
        if self._closed or not self._aside.put(one):
            one.fail(error)
        else:
            self._wake()

    def _run_aside(self) -> None:
        """Run again what is due, each in a transaction of its own; everything at the end."""
        if self._closed:
            self._run_one_by_one(self._aside.take_all())
            return
        while one := self._aside.take():
            began = time.monotonic()
            self._run_one_by_one([one])
            self._aside.spent(time.monotonic() - began)

    def _return_results(
        self, pending: Sequence[PendingWrite], results: Sequence[Any], notified: frozenset[Topic]
    ) -> None:
        topics: set[Topic] = set()
        for one, result in zip(pending, results, strict=True):
            one.succeed(result)
            topics |= one.write.wakes(result)
        if topics - notified:
            try:
                self._notify(frozenset(topics - notified))
            except Exception:  # it is committed all the same, and whoever waits looks by itself after a while
                log.exception("could not send a signal")

    def _run_begun(self, pending: Sequence[PendingWrite]) -> tuple[list[Any], frozenset[Topic]]:
        """`_run_once`, tried again while others keep every transaction from beginning, as at the moment of a seal."""
        for tries in range(MAX_TRIES):
            try:
                return self._run_once(pending)
            except Contended:
                if self._begun:
                    raise
            time.sleep(pause(tries))
        return self._run_once(pending)

    def _run_once(self, pending: Sequence[PendingWrite]) -> tuple[list[Any], frozenset[Topic]]:
        """The results, and the topics of which the commit itself has notified."""
        groups = grouped(pending)
        writes = [joined(group) for group in groups]
        notified = frozenset[Topic]()
        results = None
        self._begun = self._in_statements = False
        if self._fast_path is not None:
            self._begun = True
            results, notified = self._run_in_one_trip(self._fast_path, writes)
        if results is None:
            self._begun = False
            with self._store.transaction():
                self._begun = self._in_statements = True
                results = [write.run(self._store) for write in writes]
                self._in_statements = False
        parts = [
            part for group, result in zip(groups, results, strict=True) for part in separated(group, result)
        ]
        return parts, notified

    def _run_in_one_trip(
        self, store: SingleRoundTrip, writes: Sequence[Write[Any]]
    ) -> tuple[list[Any] | None, frozenset[Topic]]:
        notified: dict[Topic, str] = {}

        def channels() -> Sequence[str]:
            if self._at_commit is not None:
                notified.update(self._at_commit(Insert.topics))
            return list(notified.values())

        results = store.execute(writes, channels)
        return results, frozenset() if results is None else frozenset(notified)
