"""This exists so that an `async def` job costs no more than a task: it runs in the worker's own event loop."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from holdfast.core.outcome import End, Ended
from holdfast.worker.attempt import ending, error_info
from holdfast.worker.executors.call import arguments, returned
from holdfast.worker.executors.protocol import Run


class LoopExecutor:
    """Awaits the function inside the task that calls `run`. Force is `task.cancel()`, taken back when the run has ended."""

    def __init__(self) -> None:
        self._tasks: dict[Run, asyncio.Task[Any]] = {}
        self._forced: dict[Run, str] = {}

    async def run(self, run: Run) -> Ended:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[run] = task
        run.begun()
        try:
            value = run.type.function(**arguments(run.type, run.job.args, run.port))
            return returned(await value if run.type.is_async or inspect.isawaitable(value) else value)
        except asyncio.CancelledError as error:
            because = self._forced.get(run)
            if because is not None:
                return Ended(End.INTERRUPTED, reason=because)
            # the job cancelled itself, or what it awaited was cancelled
            return Ended(End.FAILED, error=error_info(error))
        except GeneratorExit:
            raise  # the loop is closed under a task that was left behind
        except BaseException as error:
            # SystemExit and Interrupted too: the end of a job is not the end of the worker
            return ending(error)
        finally:
            del self._tasks[run]
            if self._forced.pop(run, None) is not None:
                task.uncancel()

    def force(self, run: Run, *, because: str) -> None:
        task = self._tasks.get(run)
        if task is not None and run not in self._forced:
            self._forced[run] = because
            task.cancel()

    async def close(self) -> None:
        """Nothing is kept between runs."""
