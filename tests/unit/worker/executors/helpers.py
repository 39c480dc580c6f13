"""Ways to put a run together, and to wait for a fact."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import uvloop

from holdfast.core.job import Claimed
from holdfast.worker.executors.base import Executor, Run
from holdfast.worker.executors.loop import LoopExecutor
from holdfast.worker.executors.process import ProcessExecutor
from holdfast.worker.executors.thread import ThreadExecutor
from tests.unit.context.recording import RecordingPort
from tests.unit.worker.executors.sample_app import app

APP = "tests.unit.worker.executors.sample_app:app"


class ExecutorPort(RecordingPort):
    """What executors want of a port beside what jobs want."""

    def mark_ended(self) -> None:
        self.raise_flag("ended")

    def disown(self) -> None:
        """Nothing is sent anywhere from here."""

    @property
    def warnings(self) -> list[str]:
        return [message for _, level, message, _ in self.of("log") if level == "warning"]


def a_run(name: str, saved: str | None = None, /, **args: Any) -> tuple[Run, ExecutorPort]:
    """An attempt of the job `name` that is about to start."""
    text = json.dumps(args)
    port = ExecutorPort(saved, args=text, kind=name)
    kind = app.registry.get(name)
    assert kind is not None
    job = Claimed(1, "0190", name, "default", 0, 7, 1, 11, text, "ann", None, None, 0, None, 0, saved)
    return Run(job, kind, port), port


@contextlib.asynccontextmanager
async def an_executor(kind: str, **options: Any) -> AsyncIterator[Any]:
    executor: Executor
    match kind:
        case "loop":
            executor = LoopExecutor(**options)
        case "thread":
            executor = ThreadExecutor(2, **options)
        case _:
            executor = ProcessExecutor(options.pop("children", 1), APP, **options)
    try:
        yield executor
    finally:
        await executor.close()


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a test in the event loop that workers have."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(coroutine)


async def until(fact: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for a fact, at most so long."""
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.005)


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
