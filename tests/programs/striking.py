"""Where an attempt is interrupted: points of a program are counted, and at one of them the strike falls."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Protocol

from holdfast.core.outcome import Interrupted, Snooze
from tests.programs.nodes import Case, Strike
from tests.programs.trace import Trace

FLAGS = {"pause": "pause", "stop": "stop", "cancel": "cancel"}


class Crash(BaseException):
    """The process is gone: nothing that the attempt does from here on has an effect."""


class Injected(Exception):
    """A failure of the outside world, which the program does not catch."""


class Forced(Interrupted):
    """What a thread executor raises from outside when the time is over."""


class AnyTurns(Protocol):
    """Which of the threads of a program runs."""

    def expect(self, *names: str) -> None: ...
    def enter(self, name: str) -> None: ...
    def leave(self) -> None: ...
    def switch(self, name: str) -> None: ...


class Turns:
    """Threads of a program run one at a time, and which of them is next is drawn."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._changed = threading.Condition()
        self._waiting: set[str] = set()
        self._turn: str | None = "main"

    def expect(self, *names: str) -> None:
        """These threads are about to be started."""
        self._waiting.update(names)

    def enter(self, name: str) -> None:
        with self._changed:
            if self._turn != name:  # it may have been chosen while it was being started
                self._waiting.add(name)
            if self._turn is None:
                self._next()
            self._await(name)

    def leave(self) -> None:
        with self._changed:
            self._next()

    def switch(self, name: str) -> None:
        with self._changed:
            if self._waiting:
                self._waiting.add(name)
                self._next()
                self._await(name)

    def _await(self, name: str) -> None:
        while self._turn != name:
            self._changed.wait()

    def _next(self) -> None:
        self._turn = self._chance.choice(sorted(self._waiting)) if self._waiting else None
        self._waiting.discard(self._turn or "")
        self._changed.notify_all()


class Points:
    """Counts the points of one attempt, and strikes at one of them."""

    def __init__(self, case: Case, strike: Strike | None, trace: Trace) -> None:
        self.trace = trace
        self.turns: AnyTurns = Turns(trace.chance("turns", trace.attempt))
        self.strike = strike
        self.struck = False
        self.dead = False
        self.set_flag: Callable[[str], None] = lambda name: None
        self.tick: Callable[[], None] = lambda: None
        self.cancel_task: Callable[[], object] | None = None
        self._case = case
        self._counts = {"all": 0, "sums": 0, "snapshots": 0}
        self._main = threading.get_ident()
        self._clock = trace.chance("ticks", trace.attempt)

    def at(self, where: str, *, inside_port: bool = False, last: bool = False) -> None:
        """A point of the program. `inside_port`: a failure of the program cannot be raised here. `last`: a sum was added to
        already, so the item has to come to its end."""
        if self.dead:
            raise Crash
        group = "snapshots" if inside_port else "sums" if last else "others"
        for name in {"all", group} & self._counts.keys():
            self._counts[name] += 1
        if not inside_port and self._ticks(group):
            self.tick()
        strike = self.strike
        if strike is None or self.struck or self._counts[strike.among] <= strike.at:
            return
        self._strike(strike.kind, where, inside_port=inside_port, last=last)

    def _strike(self, kind: str, where: str, *, inside_port: bool, last: bool) -> None:
        if kind in FLAGS:
            self._note(where)
            self.set_flag(FLAGS[kind])
        elif kind == "crash":
            self._note(where)
            self.dead = True
            raise Crash
        elif not inside_port and not last:
            self._raise(kind, where)

    def _ticks(self, group: str) -> bool:
        ticks = self._case.ticks
        return group == "sums" if ticks == 5 else self._clock.random() < ticks / 4

    def _raise(self, kind: str, where: str) -> None:
        if kind == "timeout":
            if self.cancel_task is not None:
                self._note(where)
                self.cancel_task()
            elif threading.get_ident() == self._main:
                self._note(where)
                raise Forced("timeout")
            return
        self._note(where)
        raise Snooze(1) if kind == "snooze" else Injected(kind)

    def _note(self, where: str) -> None:
        self.struck = True
        self.trace.say(f"** {self.strike} falls {where}")
