"""Where the loops and steps of an attempt are, as JSON text that is read back exactly.

Form of a scope, empty members left out::

    {"positions": {label: place}, "steps": {name: result}}

Form of a place: `{"done": n, "total": n, "last": item, "cursor": key, "keys": [...], "end": true, "inner": scope}`, and of
loops of one name that were finished one after the other `{"ended": n, "checksum": crc}`. `inner` holds loops and steps
that began inside the body of that loop. They belong to its present item and are forgotten when that item is done. Where
items have keys, `items` holds the scope of each that has begun, by its key as JSON text, because another one may come first
in the next attempt. A `map` has `items` always, and `ahead` and `results`: what was finished out of order, and returned.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from holdfast.core.errors import CheckpointMismatch, InvalidInput, Problem

_SHOWN = 64


def compact(value: Any) -> str:
    """JSON text without needless spaces, of a value that is known to be strict JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def recognizable(item: object) -> str | int | None:
    """What an item is recognized by in a later attempt; None for items that may look different by then."""
    match item:
        case bool() | None:
            return None
        case int() if item.bit_length() <= 64:
            return item
        case str():
            text = item.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
            return text if len(text) <= _SHOWN else f"{text[:40]}… {_checksum(text)}"
        case bytes():
            return f"bytes {_checksum(item)}"
        case _:
            return None


def _checksum(data: str | bytes) -> str:
    return f"{zlib.crc32(data.encode() if isinstance(data, str) else data):08x}"


class Place:
    """The place of one loop: `done` items are finished.

    `total` and `last` (the last finished item, if it is recognizable) show whether the place still fits its source. `cursor`
    is the last key of an ascending loop, `keys` are the keys of the finished items of an unordered one, as JSON texts.
    `old_key` is what earlier versions kept of a loop with `key=`: the key of its last finished item.
    """

    __slots__ = (
        "ahead",
        "cursor",
        "done",
        "ended",
        "inner",
        "is_folded",
        "items",
        "keys",
        "last",
        "old_key",
        "results",
        "total",
    )

    def __init__(self) -> None:
        self.done = 0
        self.total: float | None = None
        self.last: object = None
        self.cursor: Any = None
        self.old_key: Any = None
        self.keys: dict[str, None] | None = None
        self.ended = False
        self.is_folded = False
        """It is part of the mark of finished loops, and not kept by itself."""
        self.inner: Scope | None = None
        self.items: dict[str, Scope] = {}
        # of a map only
        self.ahead: dict[str, None] = {}
        self.results: dict[str, str] = {}

    @classmethod
    def read(cls, value: dict[str, Any]) -> Place:
        place = cls()
        place.done = value["done"]
        place.total = value.get("total")
        place.last = value.get("last")
        place.cursor = value.get("cursor")
        place.old_key = value.get("key")
        place.keys = dict.fromkeys(map(compact, value["keys"])) if "keys" in value else None
        place.ended = value.get("end", False)
        place.inner = Scope.read(value["inner"]) if "inner" in value else None
        place.ahead = dict.fromkeys(value.get("ahead", ()))
        place.results = {name: compact(result) for name, result in value.get("results", {}).items()}
        place.items = {name: Scope.read(scope) for name, scope in value.get("items", {}).items()}
        return place

    @property
    def shown(self) -> int:
        """Finished items, those out of order included."""
        return self.done + len(self.ahead)

    def end(self) -> None:
        """All items are done: what told them apart is not needed any more."""
        self.ended = True
        self.cursor = self.old_key = self.keys = self.inner = None
        self.done += len(self.ahead)
        self.ahead, self.items = {}, {}

    def text(self) -> str:
        parts = [f'"done":{self.done}']
        if self.total is not None:
            parts.append(f'"total":{compact(self.total)}')
        if (last := recognizable(self.last)) is not None:
            parts.append(f'"last":{compact(last)}')
        if self.cursor is not None:
            parts.append(f'"cursor":{compact(self.cursor)}')
        if self.old_key is not None:
            parts.append(f'"key":{compact(self.old_key)}')
        if self.keys:
            parts.append(f'"keys":[{",".join(self.keys)}]')
        if self.ended:
            parts.append('"end":true')
        if self.inner is not None and (members := self.inner.members()):
            parts.append(f'"inner":{{{members}}}')
        if self.ahead:
            parts.append(f'"ahead":{compact(list(self.ahead))}')
        if self.results:
            members = ",".join(f"{compact(name)}:{result}" for name, result in self.results.items())
            parts.append(f'"results":{{{members}}}')
        begun = [(name, scope.members()) for name, scope in self.items.items()]
        if any(members for _, members in begun):
            members = ",".join(f"{compact(name)}:{{{members}}}" for name, members in begun if members)
            parts.append(f'"items":{{{members}}}')
        return f"{{{','.join(parts)}}}"


class _Ended:
    """Loops of one name that were finished one after the other: how many, and a checksum over their sources."""

    __slots__ = ("checksum", "count", "passed", "passed_checksum")

    def __init__(self, count: int = 0, checksum: int = 0) -> None:
        self.count = count
        self.checksum = checksum
        # of this attempt: how many of them it has passed over, to compare their sources
        self.passed = 0
        self.passed_checksum = 0

    def add(self, place: Place) -> None:
        self.count += 1
        self.checksum = _add_source(self.checksum, place.total, place.last)
        self.passed, self.passed_checksum = self.count, self.checksum

    def pass_over(self, total: float | None, last: object, name: str) -> None:
        self.passed += 1
        self.passed_checksum = _add_source(self.passed_checksum, total, last)
        if self.passed == self.count and self.passed_checksum != self.checksum:
            raise CheckpointMismatch(
                f"track: {self.count} loops named {name!r} were finished, and loops over other items are in their place "
                "now; give each loop of a job a name of its own"
            )


def _add_source(checksum: int, total: float | None, last: object) -> int:
    return zlib.crc32(compact([total, recognizable(last)]).encode(), checksum)


class Scope:
    """The loops and steps of one surrounding: of the whole job, or of one item of a loop. `steps`: results as JSON text."""

    __slots__ = ("_counts", "_ended", "_labels", "_steps", "_steps_text", "calls", "open", "places")

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.open: set[str] = set()
        """Names of the loops that are being walked."""
        self.calls: dict[str, str | None] = {}
        """Steps of this attempt: a fingerprint of the call, None while it runs."""
        self._steps: dict[str, str] = {}
        self._steps_text = ""
        self._ended: dict[str, _Ended] = {}
        self._counts: dict[str, int] = {}
        self._labels: set[str] = set()

    @classmethod
    def read(cls, value: dict[str, Any]) -> Scope:
        scope = cls()
        for label, place in value.get("positions", {}).items():
            if "ended" in place:
                scope._ended[label] = _Ended(place["ended"], place["checksum"])
            else:
                scope.places[label] = Place.read(place)
        for name, result in value.get("steps", {}).items():
            scope.add_step(name, compact(result))
        return scope

    def step(self, name: str) -> str | None:
        """The stored result of a step."""
        return self._steps.get(name)

    def add_step(self, name: str, result: str) -> None:
        self._steps[name] = result
        text = f"{compact(name)}:{result}"
        self._steps_text = f"{self._steps_text},{text}" if self._steps_text else text

    def remove_step(self, name: str) -> None:
        """Forget a step whose result turned out to be too large to store."""
        del self._steps[name]
        self._steps_text = ",".join(f"{compact(name)}:{result}" for name, result in self._steps.items())

    def enter(self, name: str) -> tuple[str, Place]:
        """The label and place of a loop that begins now. Loops of one name are numbered in the order of their beginning, so
        that the same program finds the same places when it is run again. Raises InvalidInput while one of them is open."""
        if name in self.open:
            words = (
                f"a loop named {name!r} is still open here"
                if name
                else "a loop without a name is still open here"
            )
            raise InvalidInput(
                f"track: {words}; give loops that run side by side a name= of their own",
                [Problem(("name",), "already open")],
            )
        count = self._counts.get(name, 0) + 1
        ended = self._ended.get(name)
        if ended is not None and count <= ended.count:
            self._counts[name] = count
            place = Place()
            place.ended = place.is_folded = True
            self.open.add(name)
            return name, place
        while (label := _label(name, count)) in self._labels:
            count += 1
        self._counts[name] = count
        self._labels.add(label)
        self.open.add(name)
        return label, self.places.setdefault(label, Place())

    def pass_over(self, name: str, total: float | None, last: object) -> None:
        """A loop begins whose place is part of the mark of finished loops: this is the size and the last item of its source.
        Raises CheckpointMismatch when the sources of all of them are not those that were walked."""
        self._ended[name].pass_over(total, last, name)

    def next_place(self, name: str) -> Place | None:
        """The place that the next loop of this name will have. Raises InvalidInput when there was one before it here, as in
        `while rows := fetch(ctx.cursor(...))`: each would begin anew."""
        if name in self._counts:
            raise InvalidInput(
                f"cursor: a loop named {name!r} was begun here already; walk all pages in one loop (over a generator "
                "that fetches them), or give each loop a name of its own",
                [Problem(("name",), "used already")],
            )
        return self.places.get(_label(name, self._counts.get(name, 0) + 1))

    def finished(self, name: str, label: str) -> None:
        """A loop was walked to its end. Loops of one name that were finished one after the other become one short mark; a
        single one keeps its place, which says more."""
        ended = self._ended.get(name)
        if label not in self.places:
            return  # folded already
        if ended is None:
            first = self.places.get(name)
            if label != _label(name, 2) or first is None or not first.ended or first.results:
                return
            ended = self._ended[name] = _Ended()
            self._fold(ended, name)
        if label == _label(name, ended.count + 1) and not self.places[label].results:
            self._fold(ended, label)

    def _fold(self, ended: _Ended, label: str) -> None:
        ended.add(self.places.pop(label))
        self._labels.discard(label)

    def members(self) -> str:
        """The members of the JSON object that holds this scope, without its braces."""
        parts: list[str] = []
        places = [f"{compact(label)}:{place.text()}" for label, place in list(self.places.items())]
        places += [
            f'{compact(name)}:{{"ended":{ended.count},"checksum":{ended.checksum}}}'
            for name, ended in list(self._ended.items())
        ]
        if places:
            parts.append(f'"positions":{{{",".join(places)}}}')
        if self._steps_text:
            parts.append(f'"steps":{{{self._steps_text}}}')
        return ",".join(parts)


def _label(name: str, count: int) -> str:
    return f"{name} {count}".lstrip() if count > 1 else name
