"""Items in parallel within one job: each is held when it is done, the results keep the order of the items."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, cast

from holdfast.context.checkpointing import CheckpointBuffer
from holdfast.context.loops import Loop, around, who_runs
from holdfast.context.places import Scope, compact
from holdfast.context.sources import KeyedWalk
from holdfast.context.tracking import Source, TrackLoop, items_of
from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.outcome import Interrupted

_LOOK_AGAIN = 0.1
"""Seconds after which a thread that waits for others can be interrupted by force."""


class Mapping:
    """One call of `ctx.map`."""

    def __init__(
        self, journal: CheckpointBuffer, source: Source, function: Callable[[Any], Any], parallel: int
    ) -> None:
        if not callable(function):
            raise InvalidInput(
                "map: the first argument is a function of one item", [Problem(("function",), "no function")]
            )
        if isinstance(parallel, bool) or not isinstance(cast(object, parallel), int) or parallel < 1:
            raise InvalidInput("map: parallel must be 1 or more", [Problem(("parallel",), "1 or more")])
        self._journal = journal
        self._source = source
        self._function = function
        self._parallel = parallel
        self._unsaved = 0

    def run(self) -> Any:
        """The results in a `def` job, what is awaited for them in an event loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._source.is_async_only or _is_async(self._function):
                raise TypeError("map: an asynchronous function or source needs an `async def` job") from None
            return self._run_in_threads()
        return self._run_in_loop()

    # -- in threads -------------------------------------------------------------------------------------------------------

    def _run_in_threads(self) -> list[Any]:
        run = MapLoop(self._journal, self._source)
        if run.begin():
            return run.results()
        crew = _Crew(self._parallel)
        try:
            for item in run.walk.start(self._source.items):
                if not run.wants(item):
                    continue
                crew.wait_until_below(self._parallel)
                if self._journal.port.flags.any:
                    crew.wait_until_below(1)
                    self._journal.stop_here()
                crew.start(contextvars.copy_context(), self._call, run, run.take(), item)
            crew.wait_until_below(1)
            run.finish()
        finally:
            crew.dismiss()
            run.leave()
        if self._unsaved:
            self._journal.save()
        return run.results()

    def _call(self, run: MapLoop, entry: _Entry, item: Any) -> None:
        with _ItemLoop(run, entry):
            result = self._function(item)
        run.finished(entry, result)
        if self._is_due():
            self._journal.save()

    # -- in an event loop -------------------------------------------------------------------------------------------------

    async def _run_in_loop(self) -> list[Any]:
        run = MapLoop(self._journal, self._source)
        if run.begin():
            return run.results()
        tasks: set[asyncio.Task[None]] = set()
        try:
            async for item in items_of(run):
                if not run.wants(item):
                    continue
                await _wait_until_below(self._parallel, tasks)
                if self._journal.port.flags.any:
                    await _wait_until_below(1, tasks)
                    self._journal.stop_here()
                tasks.add(asyncio.create_task(self._call_async(run, run.take(), item)))
            await _wait_until_below(1, tasks)
            run.finish()
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            run.leave()
        if self._unsaved:
            await self._journal.save_async()
        return run.results()

    async def _call_async(self, run: MapLoop, entry: _Entry, item: Any) -> None:
        with _ItemLoop(run, entry):
            if _is_async(self._function):
                result = self._function(item)
            else:
                result = await asyncio.to_thread(self._function, item)
            if inspect.isawaitable(result):
                result = await result
        run.finished(entry, result)
        if self._is_due():
            await self._journal.save_async()

    def _is_due(self) -> bool:
        every = self._source.every
        with self._journal.lock:
            self._unsaved += every is not None
            if every is None or self._unsaved < every:
                return False
            self._unsaved = 0
            return True


class _Entry:
    """An item that was taken: `identity` is what it is called in the saved state, `value` what moves the place to it."""

    __slots__ = ("identity", "is_done", "value")

    def __init__(self, identity: str, value: Any, is_done: bool) -> None:
        self.identity = identity
        self.value = value
        self.is_done = is_done


class MapLoop(TrackLoop):
    """One run through the items of a map. The place moves up to the first item that is not done; those that are done behind
    it are kept beside."""

    __slots__ = ("_line", "_order")

    def __init__(self, journal: CheckpointBuffer, source: Source) -> None:
        super().__init__(journal, source)
        self._line: deque[_Entry] = deque()
        """From the first item that is not done on, in the order of the source."""
        self._order: list[str] = []

    def wants(self, item: Any) -> bool:
        wanted = super().wants(item)
        if isinstance(self.walk, KeyedWalk):
            self._order.append(self.walk.in_hand)
            return wanted
        if wanted and self._identity() in self.place.ahead:
            self._line.append(_Entry(self._identity(), self.walk.mark, True))
            return False
        return wanted

    def take(self) -> _Entry:
        """The item that was wanted last is to be run now."""
        entry = _Entry(self._identity(), self.walk.mark, False)
        with self.journal.lock:
            self.in_body = True
            self._line.append(entry)
            self.place.items.setdefault(entry.identity, Scope())
        return entry

    def finished(self, entry: _Entry, result: Any) -> None:
        """The function has returned. Raises InvalidInput when its result cannot be stored."""
        text = self.journal.encode(result, "result of map")
        with self.journal.lock:
            place = self.place
            place.items.pop(entry.identity, None)
            if text != "null" or place.results:
                place.results[entry.identity] = text
            entry.is_done = True
            if isinstance(self.walk, KeyedWalk):
                self.walk.move_to(entry.value)
            else:
                place.ahead[entry.identity] = None
                while self._line and self._line[0].is_done:
                    first = self._line.popleft()
                    del place.ahead[first.identity]
                    self.walk.move_to(first.value)
            self.journal.moved = True
        if self.journal.state_in_use:
            self.journal.copy_state()

    def finish(self) -> None:
        with self.journal.lock:
            texts = self._texts()
            self.place.results = {str(n): text for n, text in enumerate(texts) if text != "null"}
            self.place.done = len(texts)
        super().finish()

    def mark_finished(self) -> None:
        """The place is kept: it has the results."""

    def results(self) -> list[Any]:
        """What the function returned, in the order of the items."""
        texts = self.place.results
        return [json.loads(texts.get(str(n), "null")) for n in range(self.place.done)]

    def _identity(self) -> str:
        return self.walk.identity or compact(self.walk.in_hand)

    def _texts(self) -> list[str]:
        results, done = self.place.results, self.place.done
        if self.source.after is not None:  # before the first result that was kept all were null
            known = sorted(results, key=json.loads)
            return ["null"] * (done - len(known)) + [results[identity] for identity in known]
        if self.source.key is not None:  # items that do not come any more were done first
            seen = set(self._order)
            before = [identity for identity in self.place.keys or () if identity not in seen]
            return [results.get(identity, "null") for identity in (*before, *self._order)]
        return [results.get(str(n), "null") for n in range(done)]


class _ItemLoop(Loop):
    """The surroundings of one call: steps and loops in it belong to its item."""

    __slots__ = ("_entry", "_token")

    def __init__(self, run: MapLoop, entry: _Entry) -> None:
        super().__init__(run.journal, run.name)
        self.outer = run
        self.depth, self.shows_as_main = run.depth, run.shows_as_main
        self.place = run.place
        self._entry = entry

    def __enter__(self) -> None:
        with self.journal.lock:
            self.owner = who_runs()
            self.is_open = self.in_body = True
            self.journal.loops[self] = None
        self._token = around.set(self)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        around.reset(self._token)
        with self.journal.lock:
            self.is_open = self.in_body = False
            del self.journal.loops[self]
        if self.interrupted and kind is None:
            raise Interrupted("the item was interrupted")

    def scope(self) -> Scope:
        with self.journal.lock:
            return self.place.items.setdefault(self._entry.identity, Scope())

    def item_done(self) -> None:
        raise InvalidInput(
            "item_done: an item of ctx.map is done when its function returns",
            [Problem(("item_done",), "within map")],
        )


class _Crew:
    """Some threads that take calls, for one map."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = 0
        self._calls: SimpleQueue[tuple[contextvars.Context, Callable[..., None], tuple[Any, ...]] | None] = (
            SimpleQueue()
        )
        self._ends: SimpleQueue[BaseException | None] = SimpleQueue()
        self._running = 0
        self._error: BaseException | None = None

    def start(self, context: contextvars.Context, function: Callable[..., None], *args: Any) -> None:
        self._running += 1
        if self._threads < min(self._size, self._running):
            self._threads += 1
            threading.Thread(target=self._serve, name="holdfast-map", daemon=True).start()
        self._calls.put((context, function, args))

    def wait_until_below(self, count: int) -> None:
        """Until fewer than `count` calls run. Raises the first exception of a call, when all of them have ended."""
        while self._running >= (1 if self._error is not None else count) or not self._ends.empty():
            try:
                error = self._ends.get(timeout=_LOOK_AGAIN)
            except Empty:
                continue
            self._running -= 1
            self._error = self._error or error
        if self._error is not None:
            raise self._error

    def dismiss(self) -> None:
        for _ in range(self._threads):
            self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            context, function, args = call
            error = None
            try:
                context.run(function, *args)
            except BaseException as raised:  # it is raised again in the thread of the job
                error = raised
            self._ends.put(error)


async def _wait_until_below(count: int, tasks: set[asyncio.Task[None]]) -> None:
    """As `_Crew.wait_until_below`."""
    error: BaseException | None = None
    while len(tasks) >= (1 if error is not None else count):
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        tasks -= done
        for task in done:
            raised = Interrupted("a call was cancelled") if task.cancelled() else task.exception()
            error = error or raised
    if error is not None:
        raise error


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is asynchronous
    )
