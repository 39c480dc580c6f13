"""The life of one job: attempt after attempt until the program has come to its end, then the verdict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from holdfast.context import JobContext
from holdfast.context.loops import around
from holdfast.core.errors import HoldfastError, InvalidInput
from holdfast.core.outcome import Interrupted, Snooze
from tests.programs import nodes
from tests.programs.crash_port import CrashPort
from tests.programs.deploys import deployed, is_sure
from tests.programs.interpreter import Interpreter, drive, leaves
from tests.programs.model import Model
from tests.programs.nodes import Case, Strike
from tests.programs.striking import Crash, Injected, Points
from tests.programs.trace import Trace, Wrong

MakeContext = Callable[[CrashPort], JobContext]
MakePort = Callable[[str | None, int, Points], CrashPort]
HANGS = 20.0
"""Seconds after which an attempt does not end any more."""


@dataclass(slots=True)
class Life:
    """Raises Wrong, with the program and what happened, when a promise was broken. `reached`: what was met on the way."""

    case: Case
    make_context: MakeContext = JobContext
    make_port: MakePort = CrashPort

    def run(self) -> set[str]:
        """What was met on the way."""
        trace = Trace(self.case.seed)
        try:
            return self._run(trace)
        except Wrong as wrong:
            text = "\n".join(trace.lines)
            raise Wrong(f"{wrong}\n{self.case}\n{text}") from wrong.__cause__

    def _run(self, trace: Trace) -> set[str]:
        case, body, saved = self.case, self.case.body, None
        kept: int | None = None
        items = 0
        changed = False
        reached: set[str] = set()
        for strike in (*case.strikes, None):
            trace.begin(kept, items)
            points = Points(case, strike, trace)
            port = self.make_port(saved, trace.attempt, points)
            error = self._attempt(body, port, trace, points)
            if trace.wrong:
                raise Wrong(trace.wrong[0]) from error
            end = self._end(error, port, strike, points, changed)
            reached.add(end if strike is None or not points.struck else f"{end} {strike.kind}")
            trace.say(f"-- {end}: {error!r}")
            if end == "succeeded":
                judge(body, trace, port.handed[-1][0], ordered=not changed, sums=not changed)
                return reached
            if end == "refused":
                return reached
            saved, kept, items = self._kept(strike, points, port)
            if strike is not None and strike.deploy is not None:
                body, old = deployed(body, strike.deploy), body
                changed = changed or body != old
                if body != old and not is_sure(strike.deploy):
                    trace.sure.clear()
                    trace.marks.clear()
        raise Wrong("it was interrupted although nothing happened to it")

    def _attempt(
        self, body: tuple[nodes.Node, ...], port: CrashPort, trace: Trace, points: Points
    ) -> BaseException | None:
        points.set_flag = lambda name: setattr(port.flags, name, True)
        points.tick = port.tick if not self.case.tick_thread else lambda: in_a_thread(port.tick)
        context = self.make_context(port)
        interpreter = Interpreter(context, trace, points, is_async=self.case.is_async)
        error: BaseException | None = None
        outside = around.set(port)  # as executors do it
        try:
            if self.case.is_async:
                error = asyncio.run(self._whole(interpreter, body, port, points))
            else:
                drive(interpreter.run(body))
                port.flags.ended = True
        except Wrong:
            raise
        except BaseException as raised:
            error = raised
        around.reset(outside)
        trace.over = True
        if not points.dead and port.memory is not None:
            try:
                problem = port.memory.end()
            except Crash:
                return error
            if problem is not None:
                trace.complain(f"the state cannot be stored: {problem}")
        return error

    async def _whole(
        self, interpreter: Interpreter, body: tuple[nodes.Node, ...], port: CrashPort, points: Points
    ) -> BaseException | None:
        """As an executor does it: the attempt is over when all that it has started is over."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        task = asyncio.ensure_future(interpreter.run(body))
        points.cancel_task = task.cancel
        await self._end_of({task})
        port.flags.ended = True
        while rest := asyncio.all_tasks() - {asyncio.current_task()}:
            await self._end_of(rest)
        await loop.shutdown_default_executor()
        if task.cancelled():
            return asyncio.CancelledError()
        return task.exception()

    async def _end_of(self, tasks: set[asyncio.Task[Any]]) -> None:
        _, hanging = await asyncio.wait(tasks, timeout=HANGS)
        if hanging:
            stacks = [f"{task.get_name()}: {task.get_stack()}" for task in hanging]
            raise Wrong(f"it hangs: {'; '.join(stacks)}")

    def _end(
        self,
        error: BaseException | None,
        port: CrashPort,
        strike: Strike | None,
        points: Points,
        changed: bool,
    ) -> str:
        if points.dead:
            return "crashed"
        if error is None:
            return "interrupted" if port.flags.heard else "succeeded"
        kinds = {type(leaf) for leaf in leaves(error)}
        expected: set[type[BaseException]] = {Interrupted}
        if strike is not None and points.struck:
            match strike.kind:
                case "timeout":
                    expected |= {asyncio.CancelledError, *Interrupted.__subclasses__()}
                case "snooze":
                    expected.add(Snooze)
                case "fail":
                    expected.add(Injected)
                case _:
                    pass
            if kinds <= expected:
                return "interrupted"
        if changed and all(issubclass(kind, HoldfastError | LookupError) for kind in kinds):
            return "refused"
        if self._may_be_refused and kinds <= {InvalidInput, Interrupted}:
            return "refused"
        raise Wrong(f"it failed: {error!r}") from error

    @property
    def _may_be_refused(self) -> bool:
        """A thread that does not know its item may be refused, with words."""
        return any(
            isinstance(node, nodes.Parallel) and node.kind == "bare"
            for node in nodes.all_nodes(self.case.body)
        )

    def _kept(
        self, strike: Strike | None, points: Points, port: CrashPort
    ) -> tuple[str | None, int | None, int]:
        if points.dead and strike is not None:
            kept = port.kept(strike.keep)
            points.trace.say(f"kept {kept[0]}")
            return kept
        return port.handed[-1][0], None, 0


def judge(
    body: tuple[nodes.Node, ...], trace: Trace, saved: str | None, *, ordered: bool = True, sums: bool = True
) -> None:
    """The verdict on a job that succeeded. Raises Wrong."""
    model = Model(trace.appeared)
    model.walk(body)
    model.judge(trace.effects, ordered=ordered and not trace.swallowed)
    state = json.loads(saved or "{}").get("state", {})
    for id, expected in model.sums.items() if sums and not trace.swallowed else ():
        if (found := state.get(f"a{id}", 0)) != expected:
            raise Wrong(f"the sum a{id} is {found} and should be {expected}")


def in_a_thread(function: Callable[[], None]) -> None:
    """It may crash there: all of the process is gone then."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(function).result()
