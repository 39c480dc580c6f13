"""The job that runs a program in a real executor, and writes what it does to a file for the next attempt and the judge."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from holdfast import Holdfast, JobContext
from holdfast.core.outcome import Snooze
from tests.programs import nodes
from tests.programs.interpreter import Interpreter, drive
from tests.programs.nodes import Case, Strike
from tests.programs.striking import Injected, Points
from tests.programs.trace import Fact, Key, Mark, Place, Trace

app = Holdfast()
APP = "tests.programs.real_app:app"
PACE = 0.001
"""Seconds that an effect takes, so that there is a middle of it."""


def as_text(value: Any) -> str:
    return repr(value)


def from_text(text: str) -> Any:
    """What `as_text` wrote: programs, places and facts."""
    return eval(text, dict(vars(nodes)))


class FileTrace(Trace):
    """A trace in a file, one line for each thing that happens; any process may add to it."""

    def __init__(self, path: Path, seed: int) -> None:
        super().__init__(seed)
        self._path = path
        self._writing = False
        for line in path.read_text().splitlines() if path.exists() else ():
            kind, value = json.loads(line)
            self._read(kind, from_text(value))
        self._writing = True

    def _read(self, kind: str, value: Any) -> None:
        match kind:
            case "begin":
                super().begin(*value)
            case "effect":
                super().effect(*value)
            case "mark":
                self.say(f"done: {value[0]}")
                self.marks.append(Mark(*value))
            case "ended":
                self.ended.add(value)
            case "appeared":
                self.appeared.add(value)
            case "swallow":
                super().swallow()
            case "died":
                self._keep_steps()
            case "strike":
                self.say(f"** {value}")
            case _:
                pass

    def write(self, kind: str, value: Any) -> None:
        if self._writing:
            line = json.dumps([kind, as_text(value)]) + "\n"
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, line.encode())
            os.close(file)

    def begin(self, kept: int | None, items: int = 0) -> None:
        self.write("begin", (kept, items))
        super().begin(kept, items)

    def die(self) -> None:
        """The process is dead: of what it did, only stored steps are certain to be held."""
        self.write("died", None)
        self._keep_steps()

    def _keep_steps(self) -> None:
        self.sure |= {mark.fact for mark in self.marks if mark.sure and mark.fact[0] == "step"}

    def effect(self, key: Key, facts: tuple[Fact, ...]) -> None:
        self.write("effect", (key, facts))
        super().effect(key, facts)

    def mark(self, fact: Fact, sure: bool = True) -> None:
        self.write("mark", (fact, sure and not self.lax))
        super().mark(fact, sure)

    def end_item(self, place: Place, row: int) -> None:
        self.write("ended", (place, row))
        super().end_item(place, row)

    def appear(self, place: Place) -> None:
        self.write("appeared", place)
        super().appear(place)

    def swallow(self) -> None:
        self.write("swallow", None)
        super().swallow()


class RealPoints(Points):
    """Points of a program that runs for real: a failure is raised in it, all else comes from the worker.

    `grip`: seconds for which the program is held where it is struck, so that it does not run away from the worker."""

    def __init__(self, case: Case, strike: Strike | None, trace: FileTrace, grip: float) -> None:
        super().__init__(case, strike, trace)
        self._grip = grip
        self.turns = FreeTurns()
        self._file = trace
        self._lock = threading.Lock()

    def _ticks(self, group: str) -> bool:
        return False

    def at(self, where: str, *, inside_port: bool = False, last: bool = False) -> None:
        with self._lock:
            super().at(where, inside_port=inside_port, last=last)

    def _note(self, where: str) -> None:
        assert self.strike is not None
        self.struck = True
        self._file.write("strike", str(self.strike))

    def _strike(self, kind: str, where: str, *, inside_port: bool, last: bool) -> None:
        if kind in ("snooze", "fail") and last:
            return
        self._note(where)
        match kind:
            case "snooze":
                raise Snooze(1)
            case "fail":
                raise Injected(kind)
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case _:
                time.sleep(self._grip)  # the worker sees the line


class FreeTurns:
    """Threads run as they like."""

    def expect(self, *names: str) -> None: ...
    def enter(self, name: str) -> None: ...
    def leave(self) -> None: ...
    def switch(self, name: str) -> None:
        time.sleep(PACE)


def _interpreter(ctx: JobContext, case: Case, strike: Strike | None, path: str, grip: float) -> Interpreter:
    trace = FileTrace(Path(path), case.seed)
    return Interpreter(ctx, trace, RealPoints(case, strike, trace, grip), is_async=case.is_async, pace=PACE)


@app.job()
def program(ctx: JobContext, case: str, strike: str, path: str, grip: float) -> None:
    value = from_text(case)
    drive(_interpreter(ctx, value, from_text(strike), path, grip).run(value.body))


@app.job()
async def program_async(ctx: JobContext, case: str, strike: str, path: str, grip: float) -> None:
    value = from_text(case)
    await _interpreter(ctx, value, from_text(strike), path, grip).run(value.body)
