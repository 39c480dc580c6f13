"""Loops that hold their place: seen while they run, paused at any item, continued where they were."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, MutableSequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar, cast

from holdfast.context.bars import number
from holdfast.context.checkpointing import CheckpointBuffer
from holdfast.context.loops import Loop, around
from holdfast.context.places import Scope
from holdfast.context.sources import (
    PositionWalk,
    has_last_item,
    last_item,
    refuse_unordered,
    size_of,
    walk_for,
)
from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.outcome import Interrupted
from holdfast.core.sizes import check_name

T = TypeVar("T")

_CHECK_EVERY = 1_000
"""Items that are passed over between two looks at the flags."""
_LOOP_TURN = 0.01
"""Seconds for which an `async for` whose body never waits keeps the event loop from other jobs."""


@dataclass(frozen=True, slots=True)
class Source:
    """What `ctx.track` and `ctx.map` were called with, checked."""

    items: Any
    total: float | None
    size: int | None
    name: str | None
    every: int | None
    after: Callable[[Any], Any] | None
    key: Callable[[Any], Any] | None

    @classmethod
    def of(
        cls,
        items: object,
        total: object,
        name: str | None,
        every: int | None,
        after: Callable[[Any], Any] | None,
        key: Callable[[Any], Any] | None,
    ) -> Source:
        """Raises InvalidInput for what cannot be, where the job's code can still be seen in the traceback."""
        if name is not None:
            if not isinstance(cast(object, name), str):
                _refuse("name", "text")
            check_name(name, loc=("name",))
        if every is not None and (type(cast(object, every)) is not int or every < 1):
            _refuse("every", "a whole number, 1 or more")
        if after is not None and key is not None:
            _refuse("key", "None where after= is given; a loop has one of them")
        for label, function in (("after", after), ("key", key)):
            if function is not None and not callable(function):
                _refuse(label, "a function from an item to its key")
        refuse_unordered(items, keyed=key is not None)
        size = size_of(items)
        known = number(total, what="total") if total is not None else size
        if known is not None and known < 0:
            _refuse("total", "0 or more")
        return cls(items, known, size if total is None else None, name, every, after, key)

    @property
    def is_async_only(self) -> bool:
        return hasattr(self.items, "__aiter__") and not hasattr(self.items, "__iter__")


def _refuse(what: str, wanted: str) -> Any:
    raise InvalidInput(f"track: {what} must be {wanted}", [Problem((what,), f"must be {wanted}")])


class Track(Generic[T]):
    """What `ctx.track` returns: for `for` when the source is iterable, for `async for` with every source."""

    __slots__ = ("_journal", "_source")

    def __init__(self, journal: CheckpointBuffer, source: Source) -> None:
        self._journal = journal
        self._source = source

    def __iter__(self) -> Iterator[T]:
        if self._source.is_async_only:
            raise TypeError("track: this source is asynchronous; write `async for`")
        return self._walk()

    def __aiter__(self) -> AsyncIterator[T]:
        return _AsyncWalk[T](TrackLoop(self._journal, self._source))

    def _walk(self) -> Iterator[T]:
        journal, every, unsaved = self._journal, self._source.every, 0
        run = TrackLoop(journal, self._source)
        if run.begin():
            return
        flags, wants, advance = journal.port.flags, run.wants, run.advance
        try:
            for item in run.walk.start(self._source.items):
                if not wants(item):
                    continue
                if around.get() is not run:  # in every context in which the next item is asked for
                    around.set(run)
                run.in_body = True
                yield item
                advance()
                if every is not None:
                    unsaved += 1
                    if unsaved >= every:
                        journal.save()
                        unsaved = 0
                if journal.state_in_use:
                    journal.copy_state()
                if flags.any:
                    journal.stop_here()
            run.finish()
            if unsaved:
                journal.save()
        finally:
            run.leave()


class TrackLoop(Loop):
    """One run through a track."""

    __slots__ = ("_bar_follows_size", "_may_grow", "_passed", "source", "walk")

    def __init__(self, journal: CheckpointBuffer, source: Source) -> None:
        super().__init__(journal, source.name or "")
        self.source = source
        self._passed = 0
        self._bar_follows_size = self._may_grow = False

    def begin(self) -> bool:
        """Find the place. True when the loop was finished in an earlier attempt. Raises when a flag is set, or when the
        place does not fit."""
        source = self.source
        keyed = source.after is not None or source.key is not None
        self.open(source.total, named=source.name is not None)
        try:
            if self.place.ended:
                self._pass_over(keyed)
                return True
            self.walk = walk_for(self.place, source.total, source.after, source.key)
        except BaseException:
            self.leave()
            raise
        self._bar_follows_size = keyed and source.size is not None
        self._may_grow = not keyed and source.size is not None and isinstance(source.items, MutableSequence)
        return False

    def wants(self, item: Any) -> bool:
        """Whether the body is to run with this item."""
        if self.walk.wants(item):
            if self._bar_follows_size:  # the source may hold all items or only those that are left
                self._bar_follows_size = False
                self.bar.total = self.place.done + (self.source.size or 0) - self._passed
            return True
        self._passed += 1
        if self._passed % _CHECK_EVERY == 0 and self.journal.port.flags.any:
            self.journal.stop_here()
        return False

    def advance(self) -> None:
        """The body has ended, the item is done."""
        journal, place = self.journal, self.place
        with journal.lock:
            self.in_body = False
            if self.interrupted:  # looked at first: what the interruption left open is no fault of the job's
                raise Interrupted("the item was interrupted")
            if self.inside:
                raise InvalidInput(
                    "track: a loop that began in the body of this item is still open. Await what you have started before "
                    "the next item; for two sources side by side write ctx.track(zip(a, b)).",
                    [Problem(("iterable",), "an inner loop is open")],
                )
            if self.counted:
                self.counted = False
                return
            if place.items:
                place.items.pop(self.walk.identity or "", None)
            self.walk.move_on()
            place.inner = None
            journal.moved = True
            if self._may_grow:  # what the job has appended is not in the source when it is made anew
                place.total = self.bar.total = len(self.source.items)

    def scope(self) -> Scope:
        identity = self.walk.identity
        if identity is None or self.counted:
            return super().scope()
        with self.journal.lock:  # the items may come in another order in the next attempt
            return self.place.items.setdefault(identity, Scope())

    def item_done(self) -> None:
        if self.counted:
            return
        self.advance()
        self.in_body = self.counted = True
        if self.journal.state_in_use:
            self.journal.copy_state()

    def finish(self) -> None:
        self.walk.source_ended()
        if not has_last_item(self.source.items):
            self.place.last = None  # a later attempt could not compare it without walking through the source
        super().finish()
        if self.source.size is not None:
            self.bar.total = self.place.done

    def _pass_over(self, keyed: bool) -> None:
        """The loop was finished in an earlier attempt. Where its items are told apart by keys, the source may be another."""
        total = None if keyed else self.source.total
        last = None if keyed else last_item(self.source.items)
        with self.journal.lock:
            if self.place.is_folded:
                self.within.pass_over(self.name, total, last)
                self.place.done = int(self.source.total or 0)
            else:
                if not keyed:
                    PositionWalk(self.place, total).compare_last(last)
                self.mark_finished()
        self.leave()


class _AsyncWalk(Generic[T]):
    """An async iterator that notices a `break` at once. The generator alone would be closed later, in another task."""

    __slots__ = ("_items", "_run")

    def __init__(self, run: TrackLoop) -> None:
        self._run = run
        self._items: AsyncGenerator[T, None] | None = None

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    def __anext__(self) -> Any:
        # Not in the generator: it may be run in a task of its own (asyncio.wait_for), whose context variables are not those
        # of the body.
        run = self._run
        if self._items is None:
            self._items = _nothing() if run.begin() else _walk_async(run)
        if run.is_open and around.get() is not run:
            around.set(run)
        return self._items.__anext__()

    async def aclose(self) -> None:
        """Leave the loop."""
        self._run.leave()
        if self._items is not None:
            await self._items.aclose()

    def __del__(self) -> None:
        self._run.leave()


async def _walk_async(run: TrackLoop) -> AsyncGenerator[Any, None]:
    journal, every, unsaved = run.journal, run.source.every, 0
    flags, wants, advance = journal.port.flags, run.wants, run.advance
    turn = monotonic() + _LOOP_TURN
    try:
        async for item in items_of(run):
            if not wants(item):
                continue
            run.in_body = True
            yield item
            advance()
            if every is not None:
                unsaved += 1
                if unsaved >= every:
                    await journal.save_async()
                    unsaved = 0
            if journal.state_in_use:
                journal.copy_state()
            if flags.any:
                journal.stop_here()
            if monotonic() >= turn:  # a body that never waits must not keep the loop from the other jobs
                await asyncio.sleep(0)
                turn = monotonic() + _LOOP_TURN
        run.finish()
        if unsaved:
            await journal.save_async()
    finally:
        run.leave()


async def items_of(run: TrackLoop) -> AsyncIterator[Any]:
    """The items that a loop looks at, of both kinds of sources."""
    if hasattr(run.source.items, "__aiter__"):
        async for item in run.source.items:
            yield item
    else:
        for item in run.walk.start(run.source.items):
            yield item


async def _nothing() -> AsyncGenerator[Any, None]:
    return
    yield
