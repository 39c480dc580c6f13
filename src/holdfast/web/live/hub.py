"""The live hub: polls the store once for all watchers, so that a thousand changes a second cost a few queries."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import structlog

from holdfast.client.client import Client
from holdfast.core.errors import StorageUnavailable
from holdfast.runtime.signals import Listener, Topic
from holdfast.web.errors import TooManyStreams, log_unexpected
from holdfast.web.live.tick import Tick
from holdfast.web.live.watcher import Watcher

MAX_WATCHERS = 500
MIN_INTERVAL = 0.25
"""Seconds between two ticks while things change; one tick in reserve may come after SHORT_INTERVAL."""

SHORT_INTERVAL = 0.05
BUSY_INTERVAL = 0.5
BUSY_RATE = 500
"""Changes a second above which ticks are BUSY_INTERVAL seconds apart."""

FIGURES_INTERVAL = 0.5
"""Minimum of seconds between two drawings of figures (counts, charts, tabs)."""

MAX_INTERVAL = 2.0
"""Maximum of seconds without a tick while there are watchers: a signal may be lost."""

MAX_BACKOFF = 10.0
T = TypeVar("T")
log = structlog.get_logger("holdfast.web")


class LiveHub:
    """Polls the store while there are watchers. Belongs to one event loop.

    No event causes a query of its own. A tick reads which of the watched jobs have changed, fetches those once, and lets
    every watcher draw from that. The first change after silence causes a tick at once, further ones at most four a second,
    two when much changes. Without watchers nothing is queried.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._watchers: dict[Watcher, None] = {}
        self._joining = 0
        self._seq = 0
        self._task: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._thread: ThreadPoolExecutor | None = None
        self._stopped = False
        self._figures_at = float("-inf")
        self._pace: deque[tuple[float, int]] = deque()
        self._reserve = 0.0
        self._last_tick = float("-inf")

    @asynccontextmanager
    async def watching(self, watcher: Watcher) -> AsyncGenerator[None]:
        """Update `watcher` inside the block. Raises TooManyStreams and StorageUnavailable at the start."""
        try:
            await self._join(watcher)
            yield
        finally:
            watcher.ended = True
            self._watchers.pop(watcher, None)
            if not self._watchers:
                self._empty.set()

    def stop(self) -> None:
        """Close every watcher, and poll no more. Idempotent."""
        self._stopped = True
        for watcher in list(self._watchers):
            watcher.close()
        if self._task is not None:
            self._task.cancel()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def stop_gracefully(self, timeout: float = 1.0) -> None:
        """Stop, and wait until every watcher has sent its last message, at most `timeout` seconds."""
        self.stop()
        if self._watchers:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._empty.wait()

    # -- joining ----------------------------------------------------------------------------------------------------------

    async def _join(self, watcher: Watcher) -> None:
        if self._stopped:
            raise TooManyStreams("The server is stopping.")
        if len(self._watchers) + self._joining >= MAX_WATCHERS:
            raise TooManyStreams(
                f"{MAX_WATCHERS} live connections are open, which is the limit; try again later."
            )
        self._joining += 1
        self._empty.clear()
        try:
            await self._in_thread(lambda: self._start(watcher))
        finally:
            self._joining -= 1
        watcher.wake()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="holdfast-live")

    def _start(self, watcher: Watcher) -> None:
        """Runs in the thread of the ticks, so no tick falls between the first state of a watcher and its first update."""
        tick = Tick(self._client, self._seq, frozenset(), events=False)
        if not self._watchers:
            self._seq = tick.seq
        tick.seq = self._seq
        tick.rate = self._rate()
        watcher.taken = tick.seq
        watcher.start(tick)
        watcher.deliver()
        if not watcher.ended:
            self._watchers[watcher] = None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "holdfast-live")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- polling ----------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            with self._client.events.listen((Topic.EVENTS,)) as listener:
                await self._poll(listener)
        except Exception as error:
            log_unexpected(error, "LIVE", "hub")
            for watcher in list(self._watchers):
                watcher.close()

    async def _poll(self, listener: Listener) -> None:
        wait, failures = 0.0, 0
        while True:
            due = (
                max(self._figures_at, min((watcher.due() for watcher in self._watchers), default=0.0))
                - time.monotonic()
            )
            signalled = await listener.wait_async(max(0.0, min(wait, due)))
            if not self._watchers:
                return
            try:
                tick = await self._in_thread(self._tick)
            except StorageUnavailable as error:
                failures += 1
                if failures == 1:
                    log.warning("live updates paused: storage unavailable", error=error.detail)
                await asyncio.sleep(min(MAX_BACKOFF, 0.25 * 2**failures) * (0.5 + random.random() / 2))
                continue
            if failures:
                log.info("live updates resumed", failed=failures)
            failures = 0
            await self._deliver()
            if tick.seq > tick.after:
                wait = MIN_INTERVAL
                await asyncio.sleep(0.0 if tick.more else self._pause(tick))
            else:
                wait = min(MAX_INTERVAL, wait * 2 or MIN_INTERVAL)
                await asyncio.sleep(MIN_INTERVAL if due <= 0 and not signalled else 0.0)

    def _pause(self, tick: Tick) -> float:
        """Seconds until the next tick. After some silence one is in reserve: a result often follows its request closely."""
        interval = BUSY_INTERVAL if tick.rate > BUSY_RATE else MIN_INTERVAL
        self._reserve = min(2.0, self._reserve + (tick.now - self._last_tick) / interval) - 1.0
        self._last_tick = tick.now
        return SHORT_INTERVAL if self._reserve >= 1.0 else interval

    def _tick(self) -> Tick:
        watchers = list(self._watchers)
        ids = frozenset[str]().union(*(watcher.ids for watcher in watchers))
        events = any(watcher.needs_events for watcher in watchers)
        tick = Tick(self._client, self._seq, ids, events=events)
        self._pace.append((tick.now, tick.seq))
        tick.rate = self._rate()
        tick.figures = tick.now >= self._figures_at
        for watcher in watchers:
            try:
                watcher.update(tick)
            except StorageUnavailable:
                raise
            except Exception as error:
                # one page cannot be drawn: its stream ends and may be opened again, the others continue
                log_unexpected(error, "LIVE", type(watcher).__name__)
                watcher.broken = True
            else:
                watcher.taken = tick.seq
        if tick.figures:
            # whatever drawing figures costs, it takes a tenth of the time at most
            self._figures_at = tick.now + max(FIGURES_INTERVAL, 10 * (time.monotonic() - tick.now))
        self._seq = tick.seq
        return tick

    def _rate(self) -> float:
        """Committed changes a second over the last two seconds."""
        now = time.monotonic()
        while len(self._pace) > 1 and self._pace[0][0] < now - 2.0:
            self._pace.popleft()
        if not self._pace:
            return 0.0
        (start, first), (_, last) = self._pace[0], self._pace[-1]
        return max(0, last - first) / max(1.0, now - start)

    async def _deliver(self) -> None:
        """In slices, so that a client that reads has emptied its outbox before the next slice comes."""
        waiting = list(self._watchers)
        while waiting:
            for watcher in waiting:
                if watcher.broken:
                    watcher.close()
                if watcher.ended:
                    self._watchers.pop(watcher, None)
            waiting = [watcher for watcher in waiting if watcher.deliver()]
            await asyncio.sleep(0)
