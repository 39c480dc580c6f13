"""Opening an app: what does it, and how concurrent event loops share one attempt without being blocked."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

from holdfast.client.client import Client

T = TypeVar("T")


class OpenParts(Protocol):
    """The parts of an open app."""

    @property
    def client(self) -> Client: ...


class Opener(Protocol):
    """What opens the store when it is first needed: the app."""

    def open(self) -> OpenParts: ...

    async def open_async(self) -> OpenParts: ...


class SharedOpening(Generic[T]):
    """Runs `opener` in one thread at a time; callers that arrive meanwhile share its result or its error."""

    def __init__(self, opener: Callable[[], T]) -> None:
        self._opener = opener
        self._lock = threading.Lock()
        self._waiting: list[Future[T]] = []
        self._process = os.getpid()

    async def result(self) -> T:
        """What `opener` returns; raises what it raises. A cancelled caller leaves the others their result."""
        own = Future[T]()
        if self._process != os.getpid():  # the thread of the parent does not exist in a forked child
            self._lock, self._waiting, self._process = threading.Lock(), [], os.getpid()
        with self._lock:
            self._waiting.append(own)
            if len(self._waiting) == 1:
                # a daemon: a program that gives up does not wait for a database that does not respond
                threading.Thread(target=self._run, name="holdfast-opening", daemon=True).start()
        return await asyncio.wrap_future(own)

    def _run(self) -> None:
        outcome = Future[T]()
        try:
            outcome.set_result(self._opener())
        except BaseException as error:  # passed on to every caller, never lost in this thread
            outcome.set_exception(error)
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for own in waiting:
            if not own.set_running_or_notify_cancel():
                continue
            error = outcome.exception()
            if error is None:
                own.set_result(outcome.result())
            else:
                own.set_exception(error)
