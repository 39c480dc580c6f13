"""This exists so that a loop over many items goes on where it stood, is seen while it runs, and pauses at any item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence, Sized
from itertools import islice
from time import monotonic
from typing import Any, Generic, TypeVar

from holdfast.context.journal import Journal, Loop, around
from holdfast.context.saved import Place, compact
from holdfast.core.errors import InvalidInput, Problem

T = TypeVar("T")

_SKIP_AT_ONCE = 1_000
_LOOP_TURN = 0.01


class Track(Generic[T]):
    """What `ctx.track` answers: for `for` when the source is iterable, for `async for` with every source."""

    __slots__ = ("_every", "_key", "_name", "_source", "_total", "journal")

    def __init__(
        self,
        journal: Journal,
        source: Iterable[T] | AsyncIterable[T],
        total: float | None,
        name: str | None,
        every: int | None,
        key: Callable[[T], Any] | None,
    ) -> None:
        if every is not None and every < 1:
            raise InvalidInput("track: every must be 1 or more", [Problem(("every",), "1 or more")])
        self.journal = journal
        self._source = source
        self._total = len(source) if total is None and isinstance(source, Sized) else total
        self._name = name
        self._every = every
        self._key = key

    def __iter__(self) -> Iterator[T]:
        if not isinstance(self._source, Iterable):
            raise TypeError("track: this source is asynchronous; write `async for`")
        return self._walk(self._source)

    def __aiter__(self) -> AsyncIterator[T]:
        pass_ = _Pass(self.journal, self._name, self._total)
        return _AsyncPass(pass_, self._walk_async(pass_))

    def _walk(self, source: Iterable[T]) -> Iterator[T]:
        run, journal, key, every = (
            _Pass(self.journal, self._name, self._total),
            self.journal,
            self._key,
            self._every,
        )
        flags, mark, unsaved = journal.port.flags, None, 0
        if run.begin():
            return
        try:
            place = run.place
            for item in _rest(source, place, key, journal):
                if key is not None:
                    mark = key(item)
                yield item
                place.done += 1
                place.key = mark
                place.inner = None
                if every is not None:
                    unsaved += 1
                    if unsaved >= every:
                        journal.save()
                        unsaved = 0
                if flags.pause or flags.cancel or flags.stop or flags.lost:
                    journal.stop_here()
                if (now := monotonic()) >= journal.due:
                    journal.report(now)
            run.finish()
            if unsaved:
                journal.save()
        finally:
            run.leave()

    async def _walk_async(self, run: _Pass) -> AsyncIterator[T]:
        journal, key, every = self.journal, self._key, self._every
        flags, mark, unsaved = journal.port.flags, None, 0
        if run.begin():
            return
        try:
            place = run.place
            turn = monotonic() + _LOOP_TURN
            async for item in _rest_async(self._source, place, key, journal):
                if key is not None:
                    mark = key(item)
                yield item
                place.done += 1
                place.key = mark
                place.inner = None
                if every is not None:
                    unsaved += 1
                    if unsaved >= every:
                        await journal.save_async()
                        unsaved = 0
                if flags.pause or flags.cancel or flags.stop or flags.lost:
                    journal.stop_here()
                if (now := monotonic()) >= journal.due:
                    journal.report(now)
                if now >= turn:  # a body that never waits must not keep the loop from the other jobs
                    await asyncio.sleep(0)
                    turn = monotonic() + _LOOP_TURN
            run.finish()
            if unsaved:
                await journal.save_async()
        finally:
            run.leave()


class _Pass:
    """One run through a track: its place, its bar, and the track around it. `shows_as_main`: it or one around it has the
    main bar."""

    __slots__ = ("_name", "_outer", "_total", "depth", "journal", "place", "shows_as_main")

    place: Place

    def __init__(self, journal: Journal, name: str | None, total: float | None) -> None:
        self.journal = journal
        self._name = name
        self._total = total
        self._outer: Loop | None = None
        self.depth = 1
        self.shows_as_main = False

    def begin(self) -> bool:
        """Find the place and show it. True when the loop was finished before. Raises when a flag is set."""
        journal = self.journal
        outer = around.get()
        self._outer = outer if outer is not None and outer.journal is journal else None
        self.place = journal.scope().enter(self._name or "")
        main_is_taken = False
        if self._outer is not None:
            self.depth, main_is_taken = self._outer.depth + 1, self._outer.shows_as_main
        if self._name is None and not main_is_taken:
            bar = journal.bars.main
        else:
            bar = journal.bars.named(self._name or str(self.depth))
        bar.place, bar.total, bar.held = self.place, self._total, self.place.done or None
        self.shows_as_main = main_is_taken or bar is journal.bars.main
        if journal.port.flags.any:
            journal.stop_here()
        if self._outer is None:
            journal.report(monotonic())
        around.set(self)
        if self.place.ended:
            self.leave()
        return self.place.ended

    def finish(self) -> None:
        """All items are done; remember it, so that a later attempt does not walk through the source again."""
        self.place.ended = True
        self.place.key = None
        if self._outer is None:  # an inner loop may be one of thousands: it goes up with the next report
            self.journal.hold()
            self.journal.show()

    def leave(self) -> None:
        """The loop body is left, by its end, a break or an exception."""
        if around.get() is self:
            around.set(self._outer)


class _AsyncPass(Generic[T]):
    """An async iterator that notices a `break` at once. The generator alone would be closed later, in another task."""

    __slots__ = ("_items", "_pass")

    def __init__(self, pass_: _Pass, items: AsyncIterator[T]) -> None:
        self._pass = pass_
        self._items = items

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    def __anext__(self) -> Any:
        return self._items.__anext__()

    def __del__(self) -> None:
        self._pass.leave()


def _rest(source: Iterable[T], place: Place, key: Callable[[T], Any] | None, journal: Journal) -> Iterator[T]:
    """What of `source` is not done yet."""
    if key is not None and place.key is not None:
        items, wanted = iter(source), _comparable(place.key)
        for count, item in enumerate(items, start=1):
            if _comparable(key(item)) == wanted:
                place.done = count
                return items
            if count % _SKIP_AT_ONCE == 0 and journal.port.flags.any:
                journal.stop_here()
        raise _key_is_gone(place)
    if not place.done:
        return iter(source)
    if isinstance(source, Sequence):
        return map(source.__getitem__, range(place.done, len(source)))
    items, left = iter(source), place.done
    while left:
        step = min(left, _SKIP_AT_ONCE)
        next(islice(items, step, step), None)
        left -= step
        if journal.port.flags.any:
            journal.stop_here()
    return items


async def _rest_async(
    source: Iterable[T] | AsyncIterable[T], place: Place, key: Callable[[T], Any] | None, journal: Journal
) -> AsyncIterator[T]:
    if not isinstance(source, AsyncIterable):
        for item in _rest(source, place, key, journal):
            yield item
        return
    wanted = None if key is None or place.key is None else _comparable(place.key)
    skip, count = place.done, 0
    async for item in source:
        if wanted is None or key is None:
            if count >= skip:
                yield item
                continue
            count += 1
        else:
            count += 1
            if _comparable(key(item)) == wanted:
                place.done, skip, wanted = count, 0, None
        if count % _SKIP_AT_ONCE == 0 and journal.port.flags.any:
            journal.stop_here()
    if wanted is not None:
        raise _key_is_gone(place)


def _comparable(key: Any) -> str:
    """A key as it looks after it was stored, where a tuple is a list."""
    return compact(key)


def _key_is_gone(place: Place) -> LookupError:
    return LookupError(
        f"track: no item has the key {place.key!r}, where the job stood when it was interrupted; the source has changed"
    )
