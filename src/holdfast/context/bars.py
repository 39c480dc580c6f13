"""This exists so that what a job says of its progress is one JSON text of the form that pages, REST and terminal show."""

from __future__ import annotations

from typing import Any

from holdfast.context.saved import Place, compact
from holdfast.core.limits import MAX_NAME, check_json, clean_text

MAX_BARS = 50
MAX_MESSAGE = 500


class Bar:
    """One progress bar. A bar of a track reads its `place`; the others say `done` themselves."""

    __slots__ = ("done", "held", "message", "name", "place", "total")

    def __init__(self, name: str) -> None:
        self.name = name
        self.done: float = 0
        self.total: float | None = None
        self.message: str | None = None
        self.held: float | None = None
        self.place: Place | None = None

    def value(self) -> dict[str, Any]:
        value: dict[str, Any] = {"done": self.done if self.place is None else self.place.done}
        if self.total is not None:
            value["total"] = self.total
        if self.message is not None:
            value["message"] = self.message
        if self.held is not None:
            value["held"] = self.held
        return value


class Bars:
    """The bars of one attempt: the main one, and named ones, of which the newest 50 are kept.

    `held` of a bar is where it stood in the last saved state that was handed up. A port never stores a progress before the
    saved state that was handed up ahead of it, so whoever reads `held` in the store reads a place that a crash cannot take.
    """

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

    def named(self, name: str) -> Bar:
        name = clean_text(name, MAX_NAME)
        bar = self._named.get(name)
        if bar is None:
            if len(self._named) >= MAX_BARS:
                del self._named[next(iter(self._named))]
            bar = self._named[name] = Bar(name)
        return bar

    def say(self, name: str | None, done: float, total: float | None, message: str | None) -> None:
        """What the job itself says. Raises InvalidInput for a value that is not a finite number."""
        check_json([done, total], what="progress")
        bar = self.main if name is None else self.named(name)
        bar.place, bar.done, bar.total = None, done, total
        bar.message = None if message is None else clean_text(message, MAX_MESSAGE)

    def hold_places(self) -> None:
        """A saved state with all positions was handed up."""
        for bar in self._all():
            if bar.place is not None:
                bar.held = bar.place.done

    def hold_all(self) -> None:
        """A checkpoint was stored: what the job itself had said is part of it."""
        for bar in self._all():
            bar.held = bar.done if bar.place is None else bar.place.done

    def text(self) -> str:
        """JSON text in the form of `holdfast.client.views.Progress`. Without a main bar the first named one is it too."""
        first = self._main or next(iter(self._named.values()), None)
        value: dict[str, Any] = {"done": 0} if first is None else first.value()
        if self._named:
            value["bars"] = [{"name": bar.name, **bar.value()} for bar in list(self._named.values())]
        return compact(value)

    def _all(self) -> list[Bar]:
        bars = list(self._named.values())
        return bars if self._main is None else [self._main, *bars]
