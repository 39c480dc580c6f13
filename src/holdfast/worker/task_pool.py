"""A pool of long-lived tasks, each of which runs one attempt after the other, so that a tiny job does not pay for a task.

An attempt that leaves a mark on its task (a context variable, a cancellation that came too late) ends that task, and a fresh
one takes its place: jobs see nothing of each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Generic, TypeVar

T = TypeVar("T")

AT_A_STRETCH = 0.005
"""Seconds for which a slot runs attempts that never wait, before everything else in the event loop runs."""


class TaskPool(Generic[T]):
    """Runs `serve(item)` for every item that is put in, each at once: a new slot begins where no idle one is left."""

    def __init__(self, serve: Callable[[T], Awaitable[None]]) -> None:
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[T] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stirring = False
        self._breathing = False

    def put(self, item: T) -> None:
        """Have it served, in this pass of the event loop or the next."""
        self._waiting.append(item)
        self._stir()

    def _stir(self) -> None:
        """One slot more looks for work. One at a time: each stirs the next before it begins, so that nothing waits behind an
        item that waits, and a run of items that never wait is served by a single slot."""
        if self._stirring:
            return
        self._stirring = True
        if self._idle:
            self._idle.pop().set_result(None)
        else:
            task = self._loop.create_task(self._slot())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _slot(self) -> None:
        unmarked = copy_context()
        task = asyncio.current_task()
        while True:
            self._stirring = False
            since = self._loop.time()
            while self._waiting and not self._breathing:
                item = self._waiting.popleft()
                if self._waiting:
                    self._stir()
                await self._serve(item)
                if copy_context() != unmarked or (task is not None and task.cancelling()):
                    if self._waiting:
                        self._stir()
                    return
                if self._loop.time() - since > AT_A_STRETCH:
                    # the others wait too, else every slot would take a stretch of its own
                    self._breathing = True
                    await asyncio.sleep(0)
                    self._breathing = False
                    since = self._loop.time()
            parked = self._loop.create_future()
            self._idle.append(parked)
            await parked
