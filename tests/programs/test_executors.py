"""Random programs in the real executors, interrupted by the worker's flags, by real force, and by the death of a child."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import Phase, given, seed, settings

from holdfast.core.job import Claimed
from holdfast.core.outcome import AttemptResult, ResultKind
from holdfast.worker.executors.base import Executor, Run
from holdfast.worker.executors.loop import LoopExecutor
from holdfast.worker.executors.process import ProcessExecutor
from holdfast.worker.executors.thread import ThreadExecutor
from tests.programs import nodes
from tests.programs.life import judge
from tests.programs.nodes import Case, Strike
from tests.programs.programs import HEALTH, cases
from tests.programs.real_app import APP, FileTrace, app, as_text
from tests.programs.trace import Wrong
from tests.system.chaos import LIMIT, SEED, size, tell
from tests.unit.worker.executors.helpers import ExecutorPort

PROGRAMS = int(os.environ.get("HOLDFAST_TEST_PROGRAMS", size(10, 300)))
TICK = 0.01
"""Seconds between two ticks: the programs are short."""
FLAGS = ("pause", "stop", "cancel")


class RealLife:
    """A job in a real executor, attempt after attempt."""

    def __init__(self, case: Case, executor: Executor, place: str, folder: Path) -> None:
        self._case = case
        self._executor = executor
        self._place = place
        self._path = folder / "trace"
        self._saved: str | None = None
        self.met: Counter[str] = Counter()

    async def live(self) -> None:
        kept: int | None = None
        strikes = [
            strike for strike in self._case.strikes if self._place == "process" or strike.kind != "crash"
        ]
        for strike in (*strikes, None):
            trace = FileTrace(self._path, self._case.seed)
            if kept == 0:
                trace.die()
            trace.begin(kept)
            ended = await self._attempt(strike)
            trace = FileTrace(self._path, self._case.seed)
            self.met[f"{ended.end} {strike.kind if strike is not None else ''}"] += 1
            self._check(ended, strike, trace)
            if ended.end is ResultKind.SUCCEEDED or self._is_refused(ended):
                return
            killed = ended.end is ResultKind.CRASHED or (
                self._place == "process" and ended.reason == "timeout"
            )
            kept = 0 if killed else None

    async def _attempt(self, strike: Strike | None) -> AttemptResult:
        name = "program_async" if self._case.is_async else "program"
        grip = 0.0 if self._place == "loop" else 2 * TICK  # the worker's own loop cannot wait
        args = json.dumps(
            {
                "case": as_text(self._case),
                "strike": as_text(strike),
                "path": str(self._path),
                "grip": grip,
            }
        )
        port = ExecutorPort(self._saved, args=args, kind=name)
        kind = app.registry.get(name)
        assert kind is not None
        job = Claimed(
            1, "0190", name, "default", 0, 7, 1, 11, args, "ann", None, None, 0, None, 0, self._saved
        )
        run = Run(job, kind, port)
        task = asyncio.create_task(self._executor.run(run))
        await self._strike(run, port, task, strike)
        async with asyncio.timeout(60):
            ended = await task
        self._saved = port.stored
        return ended

    async def _strike(
        self, run: Run, port: ExecutorPort, task: asyncio.Task[Any], strike: Strike | None
    ) -> None:
        struck = strike is None
        while not task.done():
            await asyncio.wait([task], timeout=TICK)
            if port.memory is not None:
                port.memory.tick()
            if not struck and strike is not None and self._path.exists() and self._is_due(strike):
                struck = True
                if strike.kind in FLAGS:
                    port.raise_flag(strike.kind)
                elif strike.kind == "timeout":
                    self._executor.force(run, because="timeout")

    def _is_due(self, strike: Strike) -> bool:
        attempt = self._path.read_text().rsplit('["begin"', 1)[-1]
        return '["strike"' in attempt

    def _check(self, ended: AttemptResult, strike: Strike | None, trace: FileTrace) -> None:
        if trace.wrong:
            raise self._wrong(trace.wrong[0], trace)
        if ended.end is ResultKind.SUCCEEDED:
            racing = any(
                isinstance(node, nodes.Parallel | nodes.Map) for node in nodes.all_nodes(self._case.body)
            )
            forced = any(strike.kind == "timeout" for strike in self._case.strikes)
            sums = not forced and (self._case.is_async or not racing)
            try:
                judge(self._case.body, trace, self._saved, sums=sums)
            except Wrong as wrong:
                raise self._wrong(str(wrong), trace) from None
        elif ended.end is ResultKind.FAILED and strike is not None and strike.kind == "fail":
            assert ended.error is not None
            if "Injected" not in ended.error.type and "ExceptionGroup" not in ended.error.type:
                raise self._wrong(f"it failed: {ended.error}", trace)
        elif ended.end in (
            ResultKind.FAILED,
            ResultKind.FAILED_FOR_GOOD,
            ResultKind.LOST,
        ) and not self._is_refused(ended):
            raise self._wrong(f"it failed: {ended}", trace)

    def _is_refused(self, ended: AttemptResult) -> bool:
        bare = any(
            isinstance(node, nodes.Parallel) and node.kind == "bare"
            for node in nodes.all_nodes(self._case.body)
        )
        return bare and ended.error is not None and "InvalidInput" in ended.error.type

    def _wrong(self, words: str, trace: FileTrace) -> Wrong:
        text = "\n".join(trace.lines)
        return Wrong(f"in the {self._place} executor: {words}\n{self._case}\n{text}")


@pytest.mark.slow
@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize(
    ("place", "is_async"),
    [("loop", True), ("thread", False), ("thread", True), ("process", False), ("process", True)],
)
def test_programs_keep_their_promises_in_every_executor(place: str, is_async: bool) -> None:
    met: Counter[str] = Counter()

    async def live(case: Case, executor: Executor) -> None:
        with tempfile.TemporaryDirectory() as folder:
            life = RealLife(case, executor, place, Path(folder))
            await life.live()
            met.update(life.met)

    async def executor_of() -> Executor:
        match place:
            case "loop":
                return LoopExecutor()
            case "thread":
                return ThreadExecutor(2)
            case _:
                return ProcessExecutor(1, APP)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        executor = runner.run(executor_of())

        @seed(SEED)
        @settings(max_examples=PROGRAMS, database=None, suppress_health_check=HEALTH, phases=[Phase.generate])
        @given(cases(is_async))
        def one(case: Case) -> None:
            runner.run(live(case, executor))

        try:
            one()
        finally:
            runner.run(executor.close())
    tell(
        f"{place}: {PROGRAMS} programs: {', '.join(f'{count} {what}' for what, count in sorted(met.items()))}"
    )
