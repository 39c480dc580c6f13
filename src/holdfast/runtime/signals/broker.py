"""Sends and receives signals through a broker: never blocks, never fails, joins a burst, replaces a lost connection.

One thread per process, started when it is first needed, keeps one connection. It sends the first signal of a topic at once
and joins those that follow within its interval. While there are listeners it pings the broker every PING seconds; a
connection that does not respond is replaced, and after each new one every listener is woken once. Without a connection
signals wait, each topic once.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import random
import selectors
import threading
from collections.abc import Iterable
from typing import Final

import structlog

from holdfast.runtime.signals.hub import Hub, HubListener
from holdfast.runtime.signals.line import Line, Opener
from holdfast.storage.topics import Topic

GAPS: Final = {Topic.WORK: 0.005, Topic.CONTROL: 0.005, Topic.EVENTS: 0.02}
"""Seconds between two signals of one topic from one process, at least. An idle worker waits for the first two kinds; pages
that wait for events have a pace of their own."""

MAX_GAP: Final = 0.02
CROWD: Final = 4
"""With more calls joined into one signal than this, the next gap is twice as long; else half."""

PING: Final = 4.0
"""Seconds between two pings of the connection: a silent one is noticed after PING + DEADLINE at most."""

MAX_BACKOFF: Final = 5.0
STEADY: Final = 10.0
"""Seconds after which the loss of a connection is not counted with the failures before it."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that closing waits for the broker to take the signals that are pending."""

log = structlog.get_logger("holdfast.runtime")


class BrokerSignals:
    """Signals through a broker, to which `opener` opens connections."""

    _grace = 0.0
    """Seconds that joined signals wait after their gap, for a commit to take them along (`take_free`)."""

    def __init__(self, word: str, opener: Opener) -> None:
        self.word = word
        self._opener = opener
        self._process = os.getpid()
        self._hub = Hub()
        self._lock = threading.Lock()
        self._pending: set[Topic] = set()
        self._wanted: set[Topic] = set()
        self._all_hear = threading.Event()
        self._all_hear.set()
        self._closed = False
        self._thread: threading.Thread | None = None
        # poll(2) and not epoll(7): a forked child shares the latter, and would change what its parent hears
        self._loop = asyncio.SelectorEventLoop(selectors.PollSelector())
        self._stirred = asyncio.Event()
        self._gap = dict(GAPS)
        self._joined = dict.fromkeys(Topic, 0)
        self._free_at = dict.fromkeys(Topic, 0.0)
        self._due_at = dict.fromkeys(Topic, 0.0)
        self._task: asyncio.Task[None] | None = None
        self._is_open = False
        self._down = False

    # -- any thread -------------------------------------------------------------------------------------------------------

    def notify(self, topics: Iterable[Topic]) -> None:
        if self._process != os.getpid():
            return
        now = self._loop.time()
        with self._lock:
            fresh: set[Topic] = set()
            for topic in topics:
                self._joined[topic] += 1
                if topic not in self._pending:
                    fresh.add(topic)
                    self._due_at[topic] = max(now, self._free_at[topic] + self._grace)
            if fresh and not self._closed:
                self._pending |= fresh
                self._stir()

    def take_free(self, topics: Iterable[Topic]) -> list[Topic]:
        """Which of these topics may be signalled now by the caller; they count as sent."""
        now = self._loop.time()
        with self._lock:
            free = [topic for topic in topics if self._free_at[topic] <= now]
            self._count_as_sent(free, now)
        return free

    def _count_as_sent(self, topics: Iterable[Topic], now: float) -> None:
        """With the lock."""
        for topic in topics:
            gap = self._gap[topic] * (2 if self._joined[topic] > CROWD else 0.5)
            self._gap[topic] = min(MAX_GAP, max(GAPS[topic], gap))
            self._free_at[topic] = now + self._gap[topic]
            self._joined[topic] = 0
            self._pending.discard(topic)

    def listen(self, topics: Iterable[Topic]) -> HubListener:
        if self._process != os.getpid():
            raise RuntimeError("These signals were made before a fork; make them anew in each process.")
        listener = self._hub.listen(topics)
        with self._lock:
            if not listener.topics <= self._wanted:
                self._wanted |= listener.topics
                self._all_hear.clear()
            if not self._closed:
                self._stir()
        return listener

    def ready(self, timeout: float) -> bool:
        return self._all_hear.wait(max(0.0, timeout))

    def close(self) -> None:
        if self._process != os.getpid():
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._thread is None:
                self._loop.close()
                return
            self._loop.call_soon_threadsafe(self._end)
        atexit.unregister(self.close)
        self._thread.join(2 * CLOSE_TIMEOUT)

    def _stir(self) -> None:
        """Have the thread look again. With the lock."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="holdfast-signals", daemon=True)
            self._thread.start()
            atexit.register(self.close)  # for a program that ends right after it has stored something
        self._loop.call_soon_threadsafe(self._stirred.set)

    # -- the thread -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        cancelled = contextlib.suppress(
            asyncio.CancelledError
        )  # closed, and no signal or no connection is left
        with cancelled, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._keep())

    def _end(self) -> None:
        """Closed: send what is pending, and close the connection, where that is possible at once."""
        self._stirred.set()
        if self._task is not None:
            hopeless = self._down or not (self._is_open or self._pending)
            self._loop.call_later(0.0 if hopeless else CLOSE_TIMEOUT, self._task.cancel)

    async def _keep(self) -> None:
        """Have a connection while one is needed."""
        failures = 0
        self._task = asyncio.current_task()
        if self._closed:
            self._end()
        while not self._closed or (self._pending and not self._down):
            if not self._pending and self._hub.empty:
                self._stirred.clear()
                await self._stirred.wait()
                continue
            begun = self._loop.time()
            try:
                await self._use_a_connection()
            except Exception as error:
                failures = 1 if self._loop.time() - begun > STEADY else failures + 1
                self._log_change(error)
                await asyncio.sleep(min(MAX_BACKOFF, 0.05 * 2**failures) * (0.5 + random.random() / 2))

    async def _use_a_connection(self) -> None:
        """Open a connection and serve it until it is lost, which raises, or until all is sent after closing."""
        ends = _Ends(self._hub, self._stirred)
        line = await self._opener(ends)
        self._is_open = True
        try:
            await self._serve(line, ends)
        finally:
            self._is_open = False
            if self._wanted:
                self._all_hear.clear()
            await line.close()

    async def _serve(self, line: Line, ends: _Ends) -> None:
        subscribed: set[Topic] = set()
        ping_at = self._loop.time() + PING
        while True:
            self._stirred.clear()
            if ends.error is not None:
                raise ends.error
            if fresh := self._wanted - subscribed:
                await line.subscribe(fresh)
                subscribed |= fresh
                self._log_change(None)
                self._hub.wake(fresh)
                self._count_hearers(subscribed)
            if due := self._due():
                await self._publish(line, due)
            if self._closed and not self._pending:
                return
            now = self._loop.time()
            if now >= ping_at:
                if subscribed:
                    await line.ping()
                ping_at = now + PING
            with self._lock:
                wake_at = min([ping_at, *(self._due_at[topic] for topic in self._pending)])
            try:
                async with asyncio.timeout_at(wake_at):
                    await self._stirred.wait()
            except TimeoutError:
                pass

    def _due(self) -> set[Topic]:
        now = self._loop.time()
        with self._lock:
            return {topic for topic in self._pending if self._closed or self._due_at[topic] <= now}

    async def _publish(self, line: Line, topics: set[Topic]) -> None:
        with self._lock:  # before it is sent: what comes meanwhile is sent again
            self._count_as_sent(topics, self._loop.time())
        try:
            await line.publish(topics)
        except BaseException:
            with self._lock:
                self._pending |= topics
            raise
        self._log_change(None)

    def _count_hearers(self, subscribed: set[Topic]) -> None:
        with self._lock:
            if self._wanted <= subscribed:
                self._all_hear.set()

    def _log_change(self, error: Exception | None) -> None:
        """Log that signals fail, or arrive again: once for each change."""
        if error is not None and not self._down:
            message = str(error).partition("\n")[0] or (
                "no response in time" if isinstance(error, TimeoutError) else repr(error)
            )
            log.warning("signals unavailable; falling back to polling", through=self.word, error=message)
        elif error is None and self._down:
            log.info("signals available again", through=self.word)
        self._down = error is not None


class _Ends:
    """What one connection has received."""

    def __init__(self, hub: Hub, stirred: asyncio.Event) -> None:
        self._hub = hub
        self._stirred = stirred
        self.error: BaseException | None = None

    def heard(self, topic: Topic) -> None:
        self._hub.wake((topic,))

    def lost(self, error: BaseException) -> None:
        self.error = self.error or error
        self._stirred.set()
