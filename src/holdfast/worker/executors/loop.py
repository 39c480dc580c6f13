"""The executor of `async def` jobs: they run in the worker's own event loop, so they cost no more than a task."""

from __future__ import annotations

import asyncio
import inspect
from contextvars import Context
from typing import Any

from holdfast.context.loops import around
from holdfast.core.outcome import AttemptResult
from holdfast.worker.attempt import conclude, raised, returned
from holdfast.worker.executors.base import AttemptPort, Run
from holdfast.worker.executors.call import arguments
from holdfast.worker.executors.capture import finish_output, partial_lines
from holdfast.worker.executors.forks import forks, leave_if_copy, mind_loop
from holdfast.worker.executors.windup import GRACE, end_tasks


class LoopExecutor:
    """Awaits the function inside the task that calls `run`. Force is `task.cancel()`, taken back when the run has ended.

    A task factory on the event loop notes the tasks that an attempt starts, so that they end before the attempt does.
    `grace`: seconds for which they may reach a checkpoint, see `windup`.
    """

    def __init__(self, *, grace: float = GRACE) -> None:
        self._grace = grace
        self._running: dict[asyncio.Task[Any] | None, object] = {}
        """The port of the attempt that a task runs."""
        self._started: dict[object, set[asyncio.Task[Any]]] = {}
        """By port: tasks that an attempt has started and that have not ended. Nothing for most attempts."""
        self._forced: dict[object, str] = {}
        """By port: why an attempt is ended by force."""
        self._given_up: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()
        self._plain_factory = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make_task)
        mind_loop(self._loop)

    @property
    def abandoned(self) -> int:
        """Tasks of ended attempts that were cancelled and still run."""
        return len(self._given_up)

    async def run(self, run: Run) -> AttemptResult:
        port, task = run.port, asyncio.current_task()
        assert task is not None
        self._running[task] = port
        outside = around.set(port)
        run.begun()
        try:
            value = run.type.function(**arguments(run.type, run.job.args, port))
            value = await value if run.type.is_async or inspect.isawaitable(value) else value
        except GeneratorExit:
            raise  # the loop is closed under a task that was left behind
        except BaseException as error:
            # SystemExit and Interrupted too: the end of a job is not the end of the worker
            ended = raised(error, port, self._forced.get(port))
        else:
            ended = returned(value, port, self._forced.get(port))
        if forks.copied:
            leave_if_copy()
        if port in self._started or port.memory is not None:
            ended = await self._wind_up(port, ended)
        if partial_lines:
            finish_output(port)
        around.reset(outside)
        del self._running[task]
        if self._forced.pop(port, None) is not None:
            task.uncancel()
        return ended

    def force(self, run: Run, *, because: str) -> None:
        task = next((task for task, port in self._running.items() if port is run.port), None)
        if task is not None and run.port not in self._forced:
            self._forced[run.port] = because
            task.cancel()

    async def close(self) -> None:
        """Nothing is kept between runs."""
        self._loop.set_task_factory(self._plain_factory)

    async def _wind_up(self, port: AttemptPort, ended: AttemptResult) -> AttemptResult:
        try:
            ended = await end_tasks(
                port,
                ended,
                lambda: self._started.get(port, ()),
                grace=self._grace,
                forced=lambda: self._forced.get(port),
            )
            return conclude(ended, port)
        except Exception as error:
            return raised(error, port)
        finally:
            for task in self._started.pop(port, ()):
                self._given_up.add(task)
                task.add_done_callback(self._given_up.discard)

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Any,
        **options: Any,
    ) -> asyncio.Future[Any]:
        """The task factory. Which options it is given differs between versions of Python."""
        context: Context | None = options.get("context")
        inside = around.get() if context is None else context.get(around)
        if self._plain_factory is None:
            task: asyncio.Future[Any] = asyncio.Task(coro, loop=loop, **options)
        else:
            task = self._plain_factory(loop, coro, **options)
        if inside is not None and isinstance(task, asyncio.Task):
            self._note(task, inside)
        return task

    def _note(self, task: asyncio.Task[Any], inside: object) -> None:
        """Remember a task that was started inside a loop of an attempt, or inside the attempt itself."""
        journal = getattr(inside, "journal", None)
        port = inside if journal is None else journal.port
        tasks = self._started.get(port)
        if tasks is None:
            if port not in self._running.values():
                return  # that attempt has ended
            tasks = self._started[port] = set()
        tasks.add(task)
        task.add_done_callback(tasks.discard)
