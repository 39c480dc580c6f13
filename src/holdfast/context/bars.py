"""The progress bars of an attempt, in the form that pages, REST and terminal show."""

from __future__ import annotations

from typing import Any, SupportsFloat, cast

from holdfast.context.places import Place
from holdfast.core.errors import InvalidInput, Problem
from holdfast.core.sizes import MAX_NAME, check_json, clean_text

MAX_BARS = 50
MAX_MESSAGE = 500


def number(value: object, *, what: str) -> float:
    """A finite number as JSON keeps it, whatever type of number it came as. Raises InvalidInput."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found: float = value
    elif not isinstance(value, (str, bytes, bool)) and hasattr(value, "__float__"):
        found = float(cast(SupportsFloat, value))
    else:
        raise InvalidInput(
            f"{what}: must be a number, not {type(value).__name__}", [Problem((what,), "not a number")]
        )
    check_json(found, what=what)
    return found


class Bar:
    """One progress bar. A bar of a loop reads the loop's place; the others are set by the job."""

    __slots__ = ("_done", "_held", "_loaded", "_place", "_uses", "message", "name", "total")

    def __init__(self, name: str) -> None:
        self.name = name
        self._uses = 0
        self.total: float | None = None
        self.message: str | None = None
        self._done: float = 0
        self._place: Place | None = None
        self._loaded: float | None = None
        self._held: float | None = None

    def follow(self, place: Place, total: float | None) -> None:
        """Show a loop from now on. What it has finished already was loaded from the store."""
        self._place, self.total = place, total
        self._uses += 1
        self._loaded = place.shown or None
        self._held = None

    def set(self, done: float, total: float | None, message: str | None) -> None:
        """Show what the job says."""
        if self._place is not None:
            self._loaded = self._held = None
            self._uses += 1
        self._place, self._done, self.total, self.message = None, done, total, message

    @property
    def key(self) -> str:
        """Distinguishes this use of the bar from earlier ones, for another loop."""
        return f"{self._uses} {self.name}"

    @property
    def done(self) -> float:
        return self._done if self._place is None else self._place.shown

    def mark(self, *, checkpoint: bool) -> float | None:
        """What a saved state that is made now holds of this bar. What the job itself has said is in checkpoints only."""
        if self._place is not None:
            self._held = self._place.shown
        elif checkpoint:
            self._held = self._done
        return self._held

    def value(self) -> dict[str, Any]:
        value: dict[str, Any] = {"key": self.key, "done": self.done}
        if self.total is not None:
            value["total"] = self.total
        if self.message is not None:
            value["message"] = self.message
        if self._loaded is not None:
            value["held"] = self._loaded
        return value


class Bars:
    """The bars of one attempt: the main one, and named ones, of which the newest 50 are kept."""

    __slots__ = ("_main", "_named")

    def __init__(self) -> None:
        self._main: Bar | None = None
        self._named: dict[str, Bar] = {}

    def __bool__(self) -> bool:
        return self._main is not None or bool(self._named)

    @property
    def main(self) -> Bar:
        if self._main is None:
            self._main = Bar("")
        return self._main

    def is_main(self, bar: Bar) -> bool:
        return bar is self._main

    def named(self, name: str) -> Bar:
        name = clean_text(name, MAX_NAME)
        bar = self._named.get(name)
        if bar is None:
            if len(self._named) >= MAX_BARS:
                del self._named[next(iter(self._named))]
            bar = self._named[name] = Bar(name)
        return bar

    def set(self, name: str | None, done: float, total: float | None, message: str | None) -> None:
        """What the job itself says. Raises InvalidInput for a value that is not a finite number."""
        checked = number(done, what="done")
        checked_total = None if total is None else number(total, what="total")
        if name is not None and not isinstance(cast(object, name), str):
            raise InvalidInput("name: must be text", [Problem(("name",), "not text")])
        bar = self.main if name is None else self.named(name)
        bar.set(checked, checked_total, None if message is None else clean_text(str(message), MAX_MESSAGE))

    def marks(self, *, checkpoint: bool) -> dict[str, float]:
        """`held` of each bar in a saved state that is made now, by the bar's key."""
        return {bar.key: mark for bar in self._all() if (mark := bar.mark(checkpoint=checkpoint)) is not None}

    def value(self) -> dict[str, Any]:
        """As `WorkerLink.progress` takes it. Without a main bar the first named one is shown as the main one, too. `held` is
        what the attempt began with."""
        first = self._main or next(iter(self._named.values()), None)
        value: dict[str, Any] = {"key": "", "done": 0} if first is None else first.value()
        if self._named:
            value["bars"] = [{"name": bar.name, **bar.value()} for bar in list(self._named.values())]
        return value

    def _all(self) -> list[Bar]:
        bars = list(self._named.values())
        return bars if self._main is None else [self._main, *bars]
