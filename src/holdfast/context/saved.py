"""This exists so that all a job remembers (its state, its positions, its steps) is one JSON text that is read back exactly.

Form of the text, empty members left out::

    {"state": ..., "positions": {name: {"done": n, "key": ..., "end": true, "inner": {...}}}, "steps": {name: result}}

`inner` holds the positions and steps that began inside the loop body of that track. They belong to its present item: as soon
as that item is done they are forgotten, so the next item starts its own inner loops and steps anew.
"""

from __future__ import annotations

import json
from typing import Any, Final

from holdfast.core.limits import MAX_SAVED, check_size, dump_json

_UNREAD: Final = object()


def compact(value: Any) -> str:
    """JSON text without needless spaces, of a value that is known to be strict JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Place:
    """Where one loop stands. `done` items are finished; `key` is that of the last of them, None for none."""

    __slots__ = ("done", "ended", "inner", "key")

    def __init__(
        self, done: int = 0, key: Any = None, ended: bool = False, inner: Scope | None = None
    ) -> None:
        self.done = done
        self.key = key
        self.ended = ended
        self.inner = inner

    @classmethod
    def read(cls, value: dict[str, Any]) -> Place:
        inner = Scope.read(value["inner"]) if "inner" in value else None
        return cls(value["done"], value.get("key"), value.get("end", False), inner)

    def text(self) -> str:
        parts = [f'"done":{self.done}']
        if self.key is not None:
            parts.append(f'"key":{dump_json(self.key, what="key", limit=MAX_SAVED)}')
        if self.ended:
            parts.append('"end":true')
        if self.inner is not None and (members := self.inner.members()):
            parts.append(f'"inner":{{{members}}}')
        return f"{{{','.join(parts)}}}"


class Scope:
    """The loops and steps of one surrounding: of the whole job, or of one item of a track. `steps`: results as JSON text."""

    __slots__ = ("_counts", "_taken", "places", "steps")

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.steps: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._taken: set[str] = set()

    @classmethod
    def read(cls, value: dict[str, Any]) -> Scope:
        scope = cls()
        scope.places = {name: Place.read(place) for name, place in value.get("positions", {}).items()}
        scope.steps = {name: compact(result) for name, result in value.get("steps", {}).items()}
        return scope

    def enter(self, name: str) -> Place:
        """The place of a loop that begins now. A name that comes again in the same attempt is numbered in order of use,
        so that the same program finds the same places when it is run again."""
        count = self._counts.get(name, 0) + 1
        while (label := f"{name} {count}".lstrip() if count > 1 else name) in self._taken:
            count += 1
        self._counts[name] = count
        self._taken.add(label)
        return self.places.setdefault(label, Place())

    def members(self) -> str:
        """The members of the JSON object that holds this scope, without its braces."""
        parts: list[str] = []
        if self.places:
            inner = ",".join(f"{compact(name)}:{place.text()}" for name, place in list(self.places.items()))
            parts.append(f'"positions":{{{inner}}}')
        if self.steps:
            inner = ",".join(f"{compact(name)}:{text}" for name, text in list(self.steps.items()))
            parts.append(f'"steps":{{{inner}}}')
        return ",".join(parts)


class Saved:
    """The saved state of an attempt, while it runs."""

    __slots__ = ("_state", "_state_text", "scope")

    def __init__(self, text: str | None) -> None:
        value: dict[str, Any] = json.loads(text) if text else {}
        self.scope = Scope.read(value)
        self._state_text = compact(value["state"]) if "state" in value else "{}"
        self._state: Any = _UNREAD

    @property
    def state(self) -> Any:
        """The state as an object that may be changed in place: what it holds is saved with everything that is saved."""
        if self._state is _UNREAD:
            self._state = json.loads(self._state_text)
        return self._state

    def replace_state(self, state: Any) -> None:
        """Take a new state. It is copied: only what `state` answers is followed further. Raises InvalidInput."""
        self._state_text = dump_json(state, what="state", limit=MAX_SAVED)
        if state is not self._state:
            self._state = _UNREAD

    def text(self) -> str:
        """All of it as JSON text. Raises InvalidInput or TooLarge when a member cannot be stored."""
        self._follow_changes()
        parts = [f'"state":{self._state_text}'] if self._state_text != "{}" else []
        if members := self.scope.members():
            parts.append(members)
        return check_size(f"{{{','.join(parts)}}}", what="saved state", limit=MAX_SAVED)

    def _follow_changes(self) -> None:
        if self._state is _UNREAD:
            return
        try:
            unchanged = compact(self._state) == self._state_text  # much cheaper than the strict walk below
        except (TypeError, ValueError, RecursionError):
            unchanged = False
        if not unchanged:
            self._state_text = dump_json(self._state, what="state", limit=MAX_SAVED)
