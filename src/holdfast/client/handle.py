"""The handle of one job: its state, waiting for it, acting on it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager
from typing import Any, Protocol

from holdfast.client.views import JobView
from holdfast.core.commands import Action
from holdfast.core.errors import WaitTimeout
from holdfast.core.states import FINAL_STATES
from holdfast.runtime.signals import Listener

POLL_INTERVAL = 0.5
"""Longest time in seconds between two reads while waiting; a signal comes sooner."""


class JobAccess(Protocol):
    """What a handle needs to read one job, to act on it, and to wait for it."""

    def get(self, job_id: str) -> JobView: ...

    def act(self, job_id: str, action: Action, *, reason: str | None = None) -> JobView: ...

    def listen(self) -> AbstractContextManager[Listener]: ...


class JobHandle:
    """One job, by its id. `state`, `result` and `view` are as of the last `refresh()`, `wait()` or action; the methods
    read the store."""

    def __init__(
        self, jobs: JobAccess, job_id: str, *, created: bool = True, view: JobView | None = None
    ) -> None:
        self._jobs = jobs
        self._view = view
        self.id = job_id
        self.created = created
        """False when a job with the same idempotency or unique key already existed."""

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r}, state={self._view.state if self._view else '?'!r})"

    @property
    def view(self) -> JobView:
        """All that is known of the job; reads the store the first time."""
        return self._view or self.refresh().view

    @property
    def state(self) -> str:
        """The state as it was last seen, for example "processing"."""
        return self.view.state

    @property
    def result(self) -> Any:
        """What the job returned; None until it has succeeded."""
        return self.view.result

    def refresh(self) -> JobHandle:
        """Read the job from the store. Raises NotFound when its retention is over."""
        self._view = self._jobs.get(self.id)
        return self

    def wait(self, timeout: float | None = None) -> JobHandle:
        """Wait until the job has succeeded, failed or been cancelled. Raises WaitTimeout after `timeout` seconds; the job
        continues. Raises RuntimeError in the thread of a running event loop, which it would block; use `wait_async`."""
        _refuse_in_event_loop()
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._jobs.listen() as listener:
            while self.refresh().state not in FINAL_STATES:
                listener.wait(self._wait_time(deadline))
        return self

    def pause(self, reason: str | None = None) -> JobHandle:
        """Pause: at once while it waits, at its next checkpoint while it runs. Raises Conflict when it has ended."""
        return self._act(Action.PAUSE, reason)

    def resume(self, reason: str | None = None) -> JobHandle:
        """Continue from the saved state, on any worker. Raises Conflict when it is not paused."""
        return self._act(Action.RESUME, reason)

    def cancel(self, reason: str | None = None) -> JobHandle:
        """Cancel: at once while it waits; while it runs, cancellation is requested, and forced after the grace time."""
        return self._act(Action.CANCEL, reason)

    def retry(self, reason: str | None = None) -> JobHandle:
        """Run a failed or cancelled job again now, from its saved state."""
        return self._act(Action.RETRY, reason)

    async def refresh_async(self) -> JobHandle:
        """`refresh` for an event loop."""
        return await asyncio.to_thread(self.refresh)

    async def wait_async(self, timeout: float | None = None) -> JobHandle:
        """`wait` for an event loop, which is not blocked."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._jobs.listen() as listener:
            while (await self.refresh_async()).state not in FINAL_STATES:
                await listener.wait_async(self._wait_time(deadline))
        return self

    async def pause_async(self, reason: str | None = None) -> JobHandle:
        """`pause` for an event loop."""
        return await asyncio.to_thread(self.pause, reason)

    async def resume_async(self, reason: str | None = None) -> JobHandle:
        """`resume` for an event loop."""
        return await asyncio.to_thread(self.resume, reason)

    async def cancel_async(self, reason: str | None = None) -> JobHandle:
        """`cancel` for an event loop."""
        return await asyncio.to_thread(self.cancel, reason)

    async def retry_async(self, reason: str | None = None) -> JobHandle:
        """`retry` for an event loop."""
        return await asyncio.to_thread(self.retry, reason)

    def _act(self, action: Action, reason: str | None) -> JobHandle:
        self._view = self._jobs.act(self.id, action, reason=reason)
        return self

    def _wait_time(self, deadline: float | None) -> float:
        if deadline is None:
            return POLL_INTERVAL
        left = deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeout(f"Job {self.id} is {self.state}; it has not ended in time and continues.")
        return min(POLL_INTERVAL, left)


def _refuse_in_event_loop() -> None:
    """Raise where waiting would block all else in the thread, perhaps the worker that has to run the job."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "wait() would block the event loop that runs in this thread; write `await handle.wait_async()`"
    )
