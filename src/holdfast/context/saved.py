"""Everything that a job remembers over its attempts (state, places, steps), as one JSON text.

Form of the text, empty members left out: `{"version": 2, "state": ..., "positions": ..., "steps": ...}`; the last two are
those of a scope, see `holdfast.context.places`. `version` is the job's `state_version`, left out when it is 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, cast

from holdfast.context.places import Scope, compact
from holdfast.core.errors import CheckpointMismatch, InvalidInput, Problem
from holdfast.core.outcome import Retry
from holdfast.core.sizes import MAX_SAVED, check_size, dump_json

Migrate = Callable[[Any, int], Any]
"""Makes a state of the present version from one of an older version: `migrate(state, version) -> state`."""

Encode = Callable[[Any, str], str]
"""Makes JSON text of a result: `encode(value, what)`. Raises InvalidInput or TooLarge, with `what` in its message."""

_UNREAD: Final = object()


def strict(value: Any, what: str) -> str:
    """The encoder for what is JSON already."""
    return dump_json(value, what=what, limit=MAX_SAVED)


class _FirstState(dict[str, Any]):
    """The state of a job that has saved none yet. It notices that it was asked for its truth while it was empty."""

    tested = False

    def __bool__(self) -> bool:
        if not len(self):
            self.tested = True
        return len(self) > 0


class Saved:
    """The saved state of an attempt, while it runs. Not safe for threads: its owner has a lock."""

    __slots__ = ("_state", "_state_text", "_version", "scope")

    def __init__(self, text: str | None, version: int = 1, migrate: Migrate | None = None) -> None:
        value: dict[str, Any] = json.loads(text) if text else {}
        self._version = version
        self.scope = Scope.read(value)
        self._state_text = compact(value["state"]) if "state" in value else "{}"
        self._state: Any = _UNREAD
        if value and (saved_by := value.get("version", 1)) != version:
            if saved_by > version:  # while a fleet is upgraded; a worker with the newer code will take it
                raise Retry(
                    f"The state was saved with state_version={saved_by}, and this worker has the older {version}."
                )
            if migrate is None:
                raise CheckpointMismatch(
                    f"The state was saved with state_version={saved_by}, and the job has state_version={version} now and no "
                    "migrate= function; give it one and retry the job, or enqueue a new one."
                )
            self.replace_state(migrate(json.loads(self._state_text), saved_by))

    @property
    def state(self) -> Any:
        """The state as an object that may be changed in place: what it holds is saved with everything that is saved."""
        if self._state is _UNREAD:
            self._state = _FirstState() if self._state_text == "{}" else json.loads(self._state_text)
        return self._state

    def replace_state(self, state: Any) -> None:
        """Take a copy of a new state. A dictionary that `state` has returned before takes the new contents, so that it stays
        the one that is saved. Raises InvalidInput or TooLarge."""
        self._state_text = dump_json(state, what="state", limit=MAX_SAVED)
        if state is self._state or self._state is _UNREAD:
            return
        mine: object = self._state
        if isinstance(mine, dict) and isinstance(state, dict):
            mine = cast(dict[str, Any], mine)
            copy: dict[str, Any] = json.loads(self._state_text)
            mine.clear()
            mine.update(copy)
        else:
            self._state = _UNREAD

    def text(self) -> str:
        """All of it as JSON text. Raises InvalidInput or TooLarge when a member cannot be stored."""
        self._follow_changes()
        parts = [f'"state":{self._state_text}'] if self._state_text != "{}" else []
        if members := self.scope.members():
            parts.append(members)
        if parts and self._version != 1:
            parts.insert(0, f'"version":{self._version}')
        return check_size(f"{{{','.join(parts)}}}", what="saved state", limit=MAX_SAVED)

    def _follow_changes(self) -> None:
        if self._state is _UNREAD:
            return
        if isinstance(self._state, _FirstState) and self._state.tested and not len(self._state):
            raise InvalidInput(
                "ctx.state was tested while it was empty, and is empty still: `ctx.state or {...}` makes a dictionary that "
                'is not saved; change ctx.state in place (ctx.state["n"] = ctx.state.get("n", 0) + 1)',
                [Problem(("state",), "tested while empty")],
            )
        try:
            unchanged = compact(self._state) == self._state_text  # much cheaper than the strict walk below
        except (TypeError, ValueError, RecursionError):
            unchanged = False
        if not unchanged:
            self._state_text = dump_json(self._state, what="state", limit=MAX_SAVED)
