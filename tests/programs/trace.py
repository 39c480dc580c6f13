"""The effects log of one job, and what is known for certain to be done."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.programs.nodes import Loop

Place = tuple[Any, ...]
"""A loop that was entered: the items and repetitions around it, and its id."""
Fact = tuple[str, Any]
Key = tuple[Place, int]
"""An effect of the program: where it is, and its id."""


class Wrong(Exception):
    """What the judge says of a program that broke a promise."""


@dataclass(slots=True)
class Mark:
    fact: Fact
    sure: bool


@dataclass
class Trace:
    """`sure`: facts that the attempt began with; what they cover must not be run again. `marks`: what was done in this
    attempt, in its order. `ended`: rows whose body was ever run to its end."""

    seed: int
    attempt: int = 0
    effects: list[tuple[int, Key]] = field(default_factory=list)
    sure: set[Fact] = field(default_factory=set)
    marks: list[Mark] = field(default_factory=list)
    ended: set[tuple[Place, int]] = field(default_factory=set)
    appeared: set[Place] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lax: bool = False
    """An interruption was swallowed: what the program does after it is not certain to be held."""
    swallowed: bool = False
    """That has happened in some attempt."""
    touched: int | None = None
    """The number of marks when this attempt first used its state."""
    over: bool = False

    def begin(self, kept: int | None, items: int = 0) -> None:
        """A new attempt, which begins with the first `kept` marks of the last one (None: with all), and the done items among
        the first `items` of them."""
        self.sure |= {mark.fact for mark in self.marks[:kept] if mark.sure}
        self.sure |= {mark.fact for mark in self.marks[:items] if mark.sure and mark.fact[0] == "item"}
        self.attempt += 1
        self.marks = []
        self.lax = self.over = False
        self.touched = None
        self.lines.append(f"-- attempt {self.attempt}")

    def touch(self) -> None:
        """The state is used: from now on it may be ahead of the place in the middle of an item."""
        if self.touched is None:
            self.touched = len(self.marks)

    def held_by_time(self) -> int:
        """So many marks are reported when the interval ends now: with a state, those up to the end of the last item."""
        if self.touched is None:
            return len(self.marks)
        ends = [n for n, mark in enumerate(self.marks, start=1) if mark.fact[0] == "item"]
        return ends[-1] if ends and ends[-1] > self.touched else 0

    def swallow(self) -> None:
        self.lax = self.swallowed = True
        self.say("an interruption is swallowed")

    def say(self, words: str) -> None:
        self.lines.append(words)

    def complain(self, words: str) -> None:
        self.lines.append(f"WRONG: {words}")
        self.wrong.append(words)

    def effect(self, key: Key, facts: tuple[Fact, ...]) -> None:
        self.lines.append(f"effect {show(key)}")
        if self.over:
            self.complain(f"effect {show(key)} after the end of the attempt")
        for fact in facts:
            if fact in self.sure:
                self.complain(f"effect {show(key)} is repeated although {show(fact)} was done and held")
        self.effects.append((self.attempt, key))

    def mark(self, fact: Fact, sure: bool = True) -> None:
        self.lines.append(f"{'done' if sure else 'perhaps done'}: {show(fact)}")
        self.marks.append(Mark(fact, sure and not self.lax))

    def end_item(self, place: Place, row: int) -> None:
        """The body of a row was run to its end."""
        self.ended.add((place, row))

    def appear(self, place: Place) -> None:
        """One more row has come."""
        self.appeared.add(place)

    def rows(self, loop: Loop, place: Place, adds: bool) -> list[int]:
        """The rows of a source as this attempt finds them. `adds`: a sum goes with them, so only rows that are certainly
        done may vanish."""
        source = loop.source
        rows = [10 * n for n in range(source.size)]
        done = {row for row in rows if (place, row) in self.ended}
        open_for_more = source.kind == "key" or not any(row > 5 for row in done)
        if source.late and self.attempt > 1 and len(done) < len(rows) and open_for_more:
            self.appear(place)
        if place in self.appeared:
            rows = sorted([*rows, 5])
        if source.vanish:
            rows = [row for row in rows if not self._vanished(place, row, adds)]
        if source.kind == "key":
            self.chance(place, self.attempt).shuffle(rows)
        return rows

    def chance(self, *words: Any) -> random.Random:
        return random.Random(f"{self.seed} {words}")

    def _vanished(self, place: Place, row: int, adds: bool) -> bool:
        if (place, row) not in self.ended or (adds and ("item", (place, row)) not in self.sure):
            return False
        if (
            self.swallowed
        ):  # a program that takes a row away although its step was interrupted loses it itself
            return False
        return self.chance("vanish", place, row).random() < 0.7


def show(value: Any) -> str:
    """A place or key, short enough to be read."""
    if isinstance(value, tuple):
        return "/".join(show(part) for part in value)
    return str(value)
