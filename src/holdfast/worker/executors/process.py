"""The executor of jobs that must be stopped for certain, compute for long, or may crash: they run in child processes."""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast.core.outcome import AttemptResult, ResultKind
from holdfast.core.settings import Settings
from holdfast.worker.attempt import error_info
from holdfast.worker.executors.base import Run
from holdfast.worker.executors.child_handle import ChildBroken, ChildHandle
from holdfast.worker.executors.windup import GRACE

JOBS_PER_CHILD = 1_000
IDLE_SECONDS = 60.0


class ProcessExecutor:
    """At most `children` child processes, started as they are needed, each with one job at a time.

    `app` is the "module:attribute" that a child imports; `settings` those it is configured with. Force kills the child, and
    what it has started, at once. A child that dies by itself ends its job as crashed; the next job has a new one. Children
    are renewed after `jobs_per_child` jobs, ended when idle for `idle_seconds`, and end with the worker process. `grace`:
    seconds for which what a job has left running may reach a checkpoint, see `windup`. `lock`: the lock file of the worker,
    which its children hold too, so that it is free when all of them have ended.
    """

    def __init__(
        self,
        children: int,
        app: str,
        settings: Settings | None = None,
        *,
        jobs_per_child: int = JOBS_PER_CHILD,
        idle_seconds: float = IDLE_SECONDS,
        grace: float = GRACE,
        lock: int | None = None,
    ) -> None:
        self._app = app
        self._lock = lock
        self._grace = grace
        self._settings: dict[str, Any] | None = None if settings is None else settings.model_dump(mode="json")
        self._jobs_per_child = jobs_per_child
        self._idle_seconds = idle_seconds
        self._seats = asyncio.Semaphore(children)
        self._forced: dict[Run, asyncio.Future[str]] = {}
        self._idle: dict[ChildHandle, asyncio.TimerHandle] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def run(self, run: Run) -> AttemptResult:
        loop = asyncio.get_running_loop()
        forced = self._forced[run] = loop.create_future()
        inner = loop.create_task(self._run(run))
        try:
            await asyncio.wait((inner, forced), return_when=asyncio.FIRST_COMPLETED)
            return (
                inner.result()
                if inner.done()
                else AttemptResult(ResultKind.INTERRUPTED, reason=forced.result())
            )
        finally:
            del self._forced[run]
            if not inner.done():
                inner.cancel()
                await asyncio.wait((inner,))

    def force(self, run: Run, *, because: str) -> None:
        forced = self._forced.get(run)
        if forced is not None and not forced.done():
            forced.set_result(because)

    async def close(self) -> None:
        for keeper in list(self._idle):
            self._dismiss(keeper)
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _run(self, run: Run) -> AttemptResult:
        async with self._seats:
            try:
                while True:
                    keeper = self._take_idle() or await self._start()
                    ended = await self._run_in(keeper, run)
                    if ended is not None:
                        return ended
                    # else the child had died while it was idle, which is no fault of this job
            except ChildBroken as broken:
                return AttemptResult(ResultKind.FAILED, error=broken.error)
            except OSError as error:  # no process or memory left for a child
                return AttemptResult(ResultKind.FAILED, error=error_info(error))

    async def _start(self) -> ChildHandle:
        return await ChildHandle.start(self._app, self._settings, self._grace, lock=self._lock)

    async def _run_in(self, keeper: ChildHandle, run: Run) -> AttemptResult | None:
        run.begun()  # not before: neither waiting for a child nor its start is the job's own time
        try:
            ended = await keeper.run(run)
        except BaseException:
            self._dismiss(keeper)
            raise
        if keeper.alive and keeper.jobs < self._jobs_per_child:
            timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._dismiss, keeper)
            self._idle[keeper] = timer
        else:
            self._dismiss(keeper)
        return ended

    def _take_idle(self) -> ChildHandle | None:
        while self._idle:
            keeper, timer = self._idle.popitem()
            timer.cancel()
            if keeper.alive:
                return keeper
            self._dismiss(keeper)
        return None

    def _dismiss(self, keeper: ChildHandle) -> None:
        if (timer := self._idle.pop(keeper, None)) is not None:
            timer.cancel()
        task = asyncio.get_running_loop().create_task(keeper.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
