"""What of a source is not done yet: the three ways in which a loop continues where it was."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Sequence, Set, Sized
from typing import Any, Protocol, TypeVar, cast

from holdfast.context.places import Place, compact, recognizable
from holdfast.core.errors import CheckpointMismatch, InvalidInput, Problem, TooLarge
from holdfast.core.sizes import dump_json

T = TypeVar("T")

MAX_KEY = 1_000
MAX_KEYS = 512 * 1024
"""Bytes of the keys of finished items that are kept: half of what may be saved."""

_KEPT = frozenset({int, str, bytes})
_KEPT_LENGTH = 4_096
_UNORDERED_ITERATORS = frozenset({"set_iterator", "ScandirIterator"})
_UNORDERED_GENERATORS = frozenset({"iterdir", "glob", "rglob", "iglob", "_iglob"})
_LISTING_MODULES = tuple(os.path.join(os.path.dirname(os.__file__), name) for name in ("pathlib", "glob"))  # noqa: PTH118, PTH120 - two texts, without an import of pathlib
_WRAPPERS = (map, filter, zip, enumerate)


def size_of(source: object) -> int | None:
    """`len(source)`, None where there is none."""
    if not isinstance(source, Sized):
        return None
    try:
        return len(source)
    except (TypeError, ValueError, OverflowError, NotImplementedError, AttributeError):
        return None  # a class may have __len__ and no length, as loaders of streams do


def refuse_unordered(source: object, *, keyed: bool) -> None:
    """Raise InvalidInput for a source whose order differs from process to process, unless its items have keys."""
    if not keyed and _is_unordered(source):
        raise InvalidInput(
            f"track: {type(source).__name__} has no order that another attempt would find again; "
            "write ctx.track(sorted(...)), or give key=, a function from an item to what identifies it",
            [Problem(("iterable",), "has no lasting order")],
        )


def _is_unordered(source: object) -> bool:
    if isinstance(source, (Set, set, frozenset)):
        return not isinstance(source, (KeysView, ItemsView))
    kind = type(source).__name__
    if kind in _UNORDERED_ITERATORS:
        return True
    if kind == "generator":  # those of the standard library that list a directory
        code = cast(Any, source).gi_code
        return code.co_name in _UNORDERED_GENERATORS and code.co_filename.startswith(_LISTING_MODULES)
    if isinstance(source, _WRAPPERS):
        return any(map(_is_unordered, _members(cast(object, source))))
    return False


def _members(wrapper: object) -> tuple[object, ...]:
    """The iterators within a `map`, `filter`, `zip` or `enumerate`."""
    try:
        reduced = cast(tuple[Any, ...], wrapper.__reduce__())
    except TypeError:  # a part of it cannot be looked at
        return ()
    return tuple(cast(tuple[object, ...], reduced[1]))


class Walk(Protocol):
    """How one loop continues in its source."""

    in_hand: Any
    """What the item is known by that was looked at last: its place in the source, or its key."""

    @property
    def mark(self) -> Any:
        """What `move_to` needs of the current item."""
        ...

    @property
    def identity(self) -> str | None:
        """The key of the current item as JSON text, None where items are known by their place alone."""
        ...

    def start(self, source: Iterable[T]) -> Iterator[T]:
        """The items to look at. Raises CheckpointMismatch when the place is not in the source."""
        ...

    def wants(self, item: Any) -> bool:
        """Whether this item, the next one of the source, is still to be done. Raises CheckpointMismatch when the place does
        not fit, InvalidInput for a key that cannot be used."""
        ...

    def source_ended(self) -> None:
        """The source has no more items. Raises CheckpointMismatch when the place is not in it."""
        ...

    def move_to(self, mark: Any) -> None:
        """The next item is done, the one with this mark: move the place."""
        ...

    def move_on(self) -> None:
        """The current item is done."""
        ...


def walk_for(
    place: Place, total: float | None, after: Callable[[Any], Any] | None, key: Callable[[Any], Any] | None
) -> Walk:
    """The walk of a loop. Raises CheckpointMismatch when its place was saved by a loop of another kind or size."""
    if after is not None:
        return AscendingWalk(place, after)
    if key is not None:
        return KeyedWalk(place, key)
    return PositionWalk(place, total)


class PositionWalk:
    """The same items come again in the same order: as many as were done are passed over."""

    def __init__(self, place: Place, total: float | None) -> None:
        if place.cursor is not None or place.keys is not None or place.old_key is not None:
            raise mismatch("it was saved with after= or key=, and the loop has neither now")
        if place.total is not None and total is not None and place.total != total:
            raise mismatch(
                f"it was saved in a source of {place.total:g} items, and the source has {total:g} now"
            )
        if place.total is None:
            place.total = total
        self._place = place
        self._last = place.last
        self.mark: object = None
        self._to_skip = place.done
        self.in_hand = -1
        self.identity = None

    def start(self, source: Iterable[T]) -> Iterator[T]:
        done = self._to_skip
        if not done or not _is_indexable(source):
            return iter(source)
        items = cast(Sequence[T], source)
        try:
            last = items[done - 1]
        except IndexError:
            raise self._is_behind_the_end(size_of(items)) from None
        self.compare_last(last)
        self._to_skip, self.in_hand = 0, done - 1
        return _from_index(items, done)

    def wants(self, item: Any) -> bool:
        self.in_hand += 1
        if self.in_hand < self._to_skip:
            if self.in_hand == self._to_skip - 1:
                self.compare_last(item)
            return False
        self.mark = item if type(item) in _KEPT and (type(item) is int or len(item) <= _KEPT_LENGTH) else None
        return True

    def source_ended(self) -> None:
        if self.in_hand + 1 < self._to_skip:
            raise self._is_behind_the_end(self.in_hand + 1)

    def move_to(self, mark: object) -> None:
        self._place.done += 1
        self._place.last = mark

    def move_on(self) -> None:
        place = self._place
        place.done += 1
        place.last = self.mark

    def compare_last(self, item: object) -> None:
        """The last item that was done has to be the same as it was then, where both are recognizable."""
        found = recognizable(item)
        if self._last is not None and found != self._last:
            shown = type(item).__name__ if found is None else repr(found)
            raise mismatch(f"item {self._place.done} was {self._last!r} when it was done, and is {shown} now")

    def _is_behind_the_end(self, size: int | None) -> CheckpointMismatch:
        has = "fewer" if size is None else f"{size}"
        return mismatch(f"{self._place.done} items were done, and the source has {has} now")


class AscendingWalk:
    """The items come in ascending order of a key: those up to the last key that was done are passed over."""

    def __init__(self, place: Place, key: Callable[[Any], Any]) -> None:
        if place.keys is not None or (place.done and place.cursor is None):
            raise mismatch("it was saved without after=, and the loop has after= now")
        self._place = place
        self._key = key
        self._cursor = place.cursor
        self.in_hand: Any = None

    def start(self, source: Iterable[T]) -> Iterator[T]:
        return iter(source)

    def wants(self, item: Any) -> bool:
        key = _ascending_key(self._key(item))
        if self.in_hand is not None and not _is_greater(key, self.in_hand):
            words = "is not unique" if key == self.in_hand else f"comes after {self.in_hand!r}"
            raise InvalidInput(
                f"track: after= wants unique keys in ascending order, and the key {key!r} {words}; sort the source by this "
                "key (with another column where it is not unique), or use key= instead",
                [Problem(("after",), "not ascending")],
            )
        self.in_hand = key
        return self._cursor is None or _is_greater(key, self._cursor)

    def source_ended(self) -> None:
        """What is left of the source lies before the place: all of it is done."""

    @property
    def mark(self) -> Any:
        return self.in_hand

    @property
    def identity(self) -> str:
        return compact(self.in_hand)

    def move_to(self, mark: Any) -> None:
        self._place.done += 1
        self._place.cursor = mark

    def move_on(self) -> None:
        self.move_to(self.in_hand)


class KeyedWalk:
    """The items come in any order: those whose keys are among the finished ones are passed over."""

    def __init__(self, place: Place, key: Callable[[Any], Any]) -> None:
        if place.cursor is not None or (place.done and place.keys is None and place.old_key is None):
            raise mismatch("it was saved without key=, and the loop has key= now")
        if place.keys is None:
            place.keys = {}
        self._place = place
        self._key = key
        self._keys = place.keys
        self._seen: set[str] = set()
        self._size = sum(map(len, place.keys)) + len(place.keys)
        # saved by a version that kept the last key only: everything up to it is done
        self._until = None if place.old_key is None else compact(place.old_key)
        self.in_hand = ""

    def start(self, source: Iterable[T]) -> Iterator[T]:
        return iter(source)

    def wants(self, item: Any) -> bool:
        text = self.in_hand = dump_json(self._key(item), what="key", limit=MAX_KEY)
        if text in self._seen:
            raise InvalidInput(
                f"track: two items have the key {text}; key= has to tell every item from all others",
                [Problem(("key",), "not unique")],
            )
        self._seen.add(text)
        if self._until is not None:
            self._keys[text] = None
            if text == self._until:
                self._until = self._place.old_key = None
            return False
        if text in self._keys:
            return False
        self._size += len(text) + 1
        if self._size > MAX_KEYS:
            raise TooLarge(
                f"track: the keys of the {len(self._keys):,} items that are done take more than {MAX_KEYS:,} bytes; "
                "use after= with a source that is sorted by its key, or shorter keys",
                [Problem(("key",), f"more than {MAX_KEYS} bytes of keys")],
            )
        return True

    def source_ended(self) -> None:
        if self._until is not None:
            raise mismatch(f"no item has the key {self._until}, at which the job was interrupted")

    @property
    def mark(self) -> str:
        return self.in_hand

    @property
    def identity(self) -> str:
        return self.in_hand

    def move_to(self, mark: str) -> None:
        self._place.done += 1
        self._keys[mark] = None

    def move_on(self) -> None:
        self.move_to(self.in_hand)


def mismatch(what: str) -> CheckpointMismatch:
    """The error for a place that cannot be that of a loop."""
    return CheckpointMismatch(
        f"track: the saved place does not fit the loop: {what}. No item was passed over. Give loops names of their own "
        "and, where the source changes, after= or key=; then retry the job, or enqueue a new one to begin anew."
    )


def _ascending_key(key: object) -> Any:
    """A key as it looks after it was stored, where a tuple is a list. Raises InvalidInput for what has no order in JSON."""
    parts = cast(Sequence[object], key) if isinstance(key, (tuple, list)) else [key]
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, (int, float, str)):
            raise InvalidInput(
                f"track: after= wants numbers, texts, or tuples of them as keys, not {type(part).__name__}; "
                "for a time give its isoformat()",
                [Problem(("after",), f"{type(part).__name__} cannot be a key")],
            )
    dump_json(key, what="key", limit=MAX_KEY)
    return list(parts) if isinstance(key, (tuple, list)) else key


def _is_greater(key: Any, other: Any) -> bool:
    try:
        return key > other
    except TypeError:
        raise InvalidInput(
            f"track: after= wants keys that can be compared, and {key!r} cannot be compared with {other!r}",
            [Problem(("after",), "not comparable")],
        ) from None


def has_last_item(source: object) -> bool:
    """Whether the last item of a source can be read without those before it."""
    return _is_indexable(source) and bool(size_of(source))


def last_item(source: object) -> object:
    """The last item of a source that can be read at any index, None for others."""
    if not has_last_item(source):
        return None
    items = cast(Sequence[object], source)
    try:
        return items[len(items) - 1]
    except IndexError:
        return None


def _is_indexable(source: object) -> bool:
    if isinstance(source, Sequence):
        return not isinstance(source, deque)  # reads its middle slowly
    return not hasattr(source, "__iter__") and hasattr(source, "__getitem__")


def _from_index(items: Sequence[T], index: int) -> Iterator[T]:
    """The items from `index` on, those included that are appended meanwhile, as a `for` over a list sees them."""
    while True:
        try:
            item = items[index]
        except IndexError:
            return
        yield item
        index += 1
