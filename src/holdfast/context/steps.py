"""One call of `ctx.step`: run once, its result stored, never taken for another call."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any

from holdfast.context.checkpointing import CheckpointBuffer
from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.sizes import check_name


class Step:
    """A step between its call and its return. It belongs to the item of the loop around it, or to the job.

    Leaving it by an exception forgets a result that was not stored, so that the state can still be saved."""

    __slots__ = ("_call", "_journal", "_name", "_scope", "_text", "is_stored")

    def __init__(
        self, journal: CheckpointBuffer, name: str, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        self._journal = journal
        self._name = check_name(name, loc=("step",))
        self._scope = journal.scope()
        self._call = _fingerprint(function, args)
        self._text: str | None = None
        self.is_stored = False

    def __enter__(self) -> Step:
        """Raises InvalidInput when the name was used for another call, or is in use."""
        scope, name = self._scope, self._name
        with self._journal.lock:
            if name in scope.calls and (before := scope.calls[name]) != self._call:
                words = "is running already" if before is None else "was used for another call"
                raise InvalidInput(
                    f"step {name!r}: the name {words} in this place; give each step a name of its own "
                    "(in a loop write ctx.track, or put the item into the name)",
                    [Problem(("step",), f"the name {words}")],
                )
            self._text = scope.step(name)
            self.is_stored = self._text is not None
            scope.calls[name] = self._call if self.is_stored else None
        return self

    def keep(self, result: Any) -> None:
        """Take the result of the function. Raises InvalidInput or TooLarge."""
        text = self._journal.encode(result, "step result")
        with self._journal.lock:
            self._scope.add_step(self._name, text)
            self._text = text
            self._journal.moved = True

    def result(self) -> Any:
        """What the function returned, as JSON reads it back."""
        assert self._text is not None
        return json.loads(self._text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_stored:
            return
        with self._journal.lock:
            if self._text is None:
                del self._scope.calls[self._name]
            else:
                self._scope.calls[self._name] = self._call
                if isinstance(error, InvalidInput):  # the saved state would be too large with it
                    self._scope.remove_step(self._name)


def _fingerprint(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """Distinguishes two calls as far as their arguments can be compared; what has no JSON form counts by its type."""
    code = getattr(function, "__code__", None)
    closure = getattr(function, "__closure__", None) or ()
    cells = [_content(cell) for cell in closure] if isinstance(code, CodeType) else []
    try:
        text = json.dumps([cells, args], default=lambda value: type(value).__qualname__, skipkeys=True)
    except (ValueError, RecursionError):  # a ring of references
        text = ""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{name} {zlib.crc32(text.encode('utf-8', 'replace')):08x}"


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None
