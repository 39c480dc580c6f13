"""The live hub: polls the store once for all watchers, so that a thousand changes a second cost a few queries.

No event causes a question of its own. A look (a *tick*) asks which of the jobs that somebody sees have changed, fetches
those once, and lets every watcher draw from that; the first change after silence is looked at at once, then four times a
second at most, twice when much changes. While nobody watches, nothing is asked at all.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

import structlog

from holdfast.client.client import Client
from holdfast.client.views import JobView
from holdfast.core.errors import StorageUnavailable
from holdfast.core.query import Query
from holdfast.core.records import EventRecord
from holdfast.runtime.signals import Listener, Topic
from holdfast.web.errors import TooManyStreams, log_accident
from holdfast.web.stream import Watcher

MAX_WATCHERS = 500
MIN_INTERVAL = 0.25
"""Seconds between two looks while things change; one look in reserve may come after SHORT_GAP."""

SHORT_GAP = 0.05
BUSY_GAP = 0.5
BUSY = 500
"""Changes a second above which looks are BUSY_GAP seconds apart."""

SLOW_GAP = 0.5
"""Least seconds between two drawings of figures (counts, charts, tabs)."""

MAX_WAIT = 2.0
"""Longest time in seconds without a look while somebody watches: a signal may be lost."""

MAX_BACKOFF = 10.0
MAX_EVENTS = 10_000
MAX_BATCH = 1_000

T = TypeVar("T")
log = structlog.get_logger("holdfast.web")


class Tick:
    """One look at the store; every question is asked once, whoever needs the answer. Used in the hub's thread only."""

    def __init__(self, client: Client, after: int, ids: frozenset[str], *, events: bool) -> None:
        self.client = client
        self.after = after
        self.slow = True
        self.rate = 0.0
        self.now = time.monotonic()
        self._ids = ids
        self._known: dict[Hashable, Any] = {}
        self.seq = self.newest = client.events.last()
        self.more = False
        if events and self.seq > after:
            self._bound()

    def _bound(self) -> None:
        """End this tick where the events that it takes end, so that the next goes on there."""
        if len(self.events) == MAX_EVENTS and self.events[-1].seq < self.seq:
            self.seq, self.more = self.events[-1].seq, True

    def once(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The answer to a question, asked the first time only."""
        if key not in self._known:
            self._known[key] = ask()
        return cast(T, self._known[key])

    @property
    def events(self) -> list[EventRecord]:
        """The events after `after`, at most MAX_EVENTS."""
        return self.once("events", lambda: self.client.events.read(after=self.after, limit=MAX_EVENTS))

    @property
    def changed(self) -> frozenset[str]:
        """Which of the jobs that anybody sees have changed."""
        if self.seq <= self.after:
            return frozenset()
        return self.once("changed", lambda: self.changed_since(self.after, self._ids))

    def changed_since(self, after: int, ids: Iterable[str]) -> frozenset[str]:
        """Which of the given jobs have changed after an event."""
        found: set[str] = set()
        for part in _parts(ids):
            found |= self.client.events.changed_jobs(after=after, ids=part)
        return frozenset(found)

    def jobs(self, ids: frozenset[str]) -> dict[str, JobView]:
        """The given jobs that exist."""
        return self.once(
            ("jobs", ids),
            lambda: {view.id: view for part in _parts(ids) for view in self.client.jobs.get_many(part)},
        )

    def matching(self, ids: frozenset[str], key: Hashable, query: Query) -> dict[str, JobView]:
        """Those of the given jobs that match a search; `key` tells searches apart."""

        def ask() -> dict[str, JobView]:
            return {view.id: view for part in _parts(ids) for view in self.client.jobs.get_many(part, query)}

        return self.jobs(ids) if query.root is None else self.once(("matching", ids, key), ask)

    def forgotten(self, seq: int) -> bool:
        """Whether something after this event may have been removed already, or the event never was."""
        if seq > self.newest:
            return True
        between = self.once("oldest", self.client.events.oldest) - 1 - seq
        if between <= 0:
            return False
        # the store keeps some kinds of events longer than others; where none is missing, none has been removed
        kept = self.client.events.read(after=seq, limit=min(between, MAX_EVENTS))
        return len(kept) < between or kept[-1].seq > seq + between


def _parts(ids: Iterable[str]) -> Iterable[list[str]]:
    whole = list(ids)
    return (whole[start : start + MAX_BATCH] for start in range(0, len(whole), MAX_BATCH))


class LiveHub:
    """Looks at the store while somebody watches. Belongs to one event loop."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._watchers: dict[Watcher, None] = {}
        self._joining = 0
        self._seq = 0
        self._task: asyncio.Task[None] | None = None
        self._deserted = asyncio.Event()
        self._thread: ThreadPoolExecutor | None = None
        self._stopped = False
        self._slow_at = float("-inf")
        self._pace: deque[tuple[float, int]] = deque()
        self._reserve = 0.0
        self._looked = float("-inf")

    @asynccontextmanager
    async def watching(self, watcher: Watcher) -> AsyncGenerator[None]:
        """Keep `watcher` told. Raises TooManyStreams and StorageUnavailable at the start."""
        try:
            await self._join(watcher)
            yield
        finally:
            watcher.ended = True
            self._watchers.pop(watcher, None)
            if not self._watchers:
                self._deserted.set()

    def stop(self) -> None:
        """Say goodbye to everyone and look no more. Idempotent."""
        self._stopped = True
        for watcher in list(self._watchers):
            watcher.close()
        if self._task is not None:
            self._task.cancel()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def farewell(self, timeout: float = 1.0) -> None:
        """Stop, and wait until everyone has been told, at most `timeout` seconds."""
        self.stop()
        if self._watchers:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._deserted.wait()

    # -- joining ----------------------------------------------------------------------------------------------------------

    async def _join(self, watcher: Watcher) -> None:
        if self._stopped:
            raise TooManyStreams("The server is stopping.")
        if len(self._watchers) + self._joining >= MAX_WATCHERS:
            raise TooManyStreams(
                f"{MAX_WATCHERS} live connections are open, which is the limit; try again later."
            )
        self._joining += 1
        self._deserted.clear()
        try:
            await self._in_thread(lambda: self._begin(watcher))
        finally:
            self._joining -= 1
        watcher.wake()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="holdfast-live")

    def _begin(self, watcher: Watcher) -> None:
        """In the thread that also looks: no tick falls between what a watcher is told at first and what it is told next."""
        tick = Tick(self._client, self._seq, frozenset(), events=False)
        if not self._watchers:
            self._seq = tick.seq
        tick.seq = self._seq
        tick.rate = self._rate()
        watcher.told = tick.seq
        watcher.begin(tick)
        watcher.deliver()
        if not watcher.ended:
            self._watchers[watcher] = None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "holdfast-live")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # -- looking ----------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            with self._client.events.listen((Topic.EVENTS,)) as listener:
                await self._look_again_and_again(listener)
        except Exception as error:
            log_accident(error, "LIVE", "hub")
            for watcher in list(self._watchers):
                watcher.close()

    async def _look_again_and_again(self, listener: Listener) -> None:
        wait, failures = 0.0, 0
        while True:
            due = (
                max(self._slow_at, min((watcher.due() for watcher in self._watchers), default=0.0))
                - time.monotonic()
            )
            heard = await listener.wait_async(max(0.0, min(wait, due)))
            if not self._watchers:
                return
            try:
                tick = await self._in_thread(self._look)
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
                wait = min(MAX_WAIT, wait * 2 or MIN_INTERVAL)
                await asyncio.sleep(MIN_INTERVAL if due <= 0 and not heard else 0.0)

    def _pause(self, tick: Tick) -> float:
        """Seconds until the next look. After some silence one is in reserve: an answer often follows its request closely."""
        gap = BUSY_GAP if tick.rate > BUSY else MIN_INTERVAL
        self._reserve = min(2.0, self._reserve + (tick.now - self._looked) / gap) - 1.0
        self._looked = tick.now
        return SHORT_GAP if self._reserve >= 1.0 else gap

    def _look(self) -> Tick:
        watchers = list(self._watchers)
        ids = frozenset[str]().union(*(watcher.ids for watcher in watchers))
        tick = Tick(self._client, self._seq, ids, events=any(watcher.feeds for watcher in watchers))
        self._pace.append((tick.now, tick.seq))
        tick.rate = self._rate()
        tick.slow = tick.now >= self._slow_at
        for watcher in watchers:
            try:
                watcher.look(tick)
            except StorageUnavailable:
                raise
            except Exception as error:
                # a fault in one picture: that watcher is told to come again, the others go on
                log_accident(error, "LIVE", type(watcher).__name__)
                watcher.broken = True
            else:
                watcher.told = tick.seq
        if tick.slow:
            # whatever drawing figures costs, it takes a tenth of the time at most
            self._slow_at = tick.now + max(SLOW_GAP, 10 * (time.monotonic() - tick.now))
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
        """In slices, so that those who keep up have emptied their box before the next comes."""
        waiting = list(self._watchers)
        while waiting:
            for watcher in waiting:
                if watcher.broken:
                    watcher.close()
                if watcher.ended:
                    self._watchers.pop(watcher, None)
            waiting = [watcher for watcher in waiting if watcher.deliver()]
            await asyncio.sleep(0)
