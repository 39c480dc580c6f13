"""Hands what one connection receives to all listeners of a process, threads and event loops."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable

from holdfast.storage.topics import Topic


class Hub:
    """The listeners of one process. Any thread may wake them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: frozenset[HubListener] = frozenset()

    def listen(self, topics: Iterable[Topic]) -> HubListener:
        """One more listener, until it is closed."""
        listener = HubListener(self, topics)
        with self._lock:
            self._listeners |= {listener}
        return listener

    def leave(self, listener: HubListener) -> None:
        """Take a listener out. Idempotent."""
        with self._lock:
            self._listeners -= {listener}

    def wake(self, topics: Iterable[Topic]) -> None:
        """Wake who listens to any of the topics."""
        wanted = frozenset(topics)
        for listener in self._listeners:
            if not wanted.isdisjoint(listener.topics):
                listener.wake()

    @property
    def empty(self) -> bool:
        """Whether there is no listener."""
        return not self._listeners


class HubListener:
    """Waits until the hub wakes it."""

    def __init__(self, hub: Hub, topics: Iterable[Topic]) -> None:
        self.topics = frozenset(topics)
        self._hub = hub
        self._heard = threading.Event()
        self._lock = threading.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    def wake(self) -> None:
        """There was a signal."""
        with self._lock:
            self._heard.set()
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            # a loop that was closed while its task still waited: there is nothing to wake
            with contextlib.suppress(RuntimeError):
                future.get_loop().call_soon_threadsafe(_settle, future)

    def wait(self, timeout: float) -> bool:
        return self._heard.wait(max(0.0, timeout)) and self._take()

    async def wait_async(self, timeout: float) -> bool:
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            heard = self._heard.is_set()
            if not heard:
                self._waiting.add(future)
        if not heard:
            try:
                async with asyncio.timeout(max(0.0, timeout)):
                    await future
            except TimeoutError:
                return False
            finally:
                with self._lock:
                    self._waiting.discard(future)
        return self._take()

    def close(self) -> None:
        self._hub.leave(self)
        self._heard.clear()

    def _take(self) -> bool:
        self._heard.clear()
        return True


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
