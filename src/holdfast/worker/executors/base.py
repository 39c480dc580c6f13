"""The interface between the runner and the executors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from holdfast.client.task import JobType
from holdfast.context.worker_link import WorkerLink
from holdfast.core.job import Claimed
from holdfast.core.outcome import AttemptResult


class AttemptPort(WorkerLink, Protocol):
    """The connection to the worker, as executors use it."""

    def mark_ended(self) -> None:
        """The function has been left: set `flags.ended` and wake what sleeps, so that it stops at its next checkpoint."""
        ...

    def disown(self) -> None:
        """This is in a copy of the process, made by fork: take nothing more, and stop the copy at its next checkpoint."""
        ...


@dataclass(slots=True, eq=False)
class Run:
    """One attempt on its way through a worker: the claimed job, its type, and its connection to the worker."""

    job: Claimed
    type: JobType
    port: AttemptPort
    begun: Callable[[], None] = lambda: None
    """To be called when the function is about to be called: the time limit counts from the first call."""


class Executor(Protocol):
    """Runs attempts. All methods are called on the worker's event loop."""

    async def run(self, run: Run) -> AttemptResult:
        """Run the job's function to its end. Never raises what the job raises: that is part of the result.

        Flags in `run.port.flags` are set by the worker while it runs; the function sees them at its checkpoints."""
        ...

    def force(self, run: Run, *, because: str) -> None:
        """The grace time is over: make `run` end now, whatever its function does.

        `because`: "cancel", "timeout" or "stop"; it becomes the reason of the end."""
        ...

    async def close(self) -> None:
        """Release threads and processes. Called after every run has ended or been forced."""
        ...
