"""Actions on very many jobs, done before the response ends, which is kept alive meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog
from starlette.responses import StreamingResponse

from holdfast.client.jobs import Jobs
from holdfast.client.views import BulkView
from holdfast.core.commands import Action
from holdfast.core.errors import HoldfastError
from holdfast.core.query import Query
from holdfast.web.errors import log_unexpected

MAX_RUNNING = 4
KEEP_ALIVE = 5.0
"""Seconds between two bytes of an unfinished response: proxies close a connection after 30 to 60 s of silence."""

log = structlog.get_logger("holdfast.web")


class TooManyOperations(HoldfastError):
    """The maximum of actions on many jobs is under way."""

    code = "too_many_operations"
    status = 503
    title = "Too many operations are under way"


class OperationStopped(HoldfastError):
    """The server stopped while the operation was under way."""

    code = "operation_stopped"


class BulkResult(BulkView):
    """The result of an action on all jobs that match. `error`: why it ended early; what is done stays done."""

    error: str | None = None


@dataclass(slots=True)
class Operation:
    """One action on many jobs, with its progress."""

    done: int = 0
    refused: int = 0
    ended: Future[BulkResult] = field(default_factory=Future[BulkResult])

    def so_far(self, counted: BulkView, error: str) -> BulkResult:
        """Its result when it ends here."""
        so_far = {"dry_run": False, "done": self.done, "refused": self.refused, "error": error}
        return BulkResult.model_validate({**counted.model_dump(), **so_far})


class Operations:
    """The actions on very many jobs that this process runs. Nothing outlives the response: behind a proxy the next request
    may reach another process."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(MAX_RUNNING)
        self._stopping = threading.Event()

    def start(
        self, jobs: Jobs, counted: BulkView, action: Action, query: Query, reason: str | None
    ) -> Operation:
        """Start `action` on all that match, in a thread: a client that leaves does not stop it. `counted` is its dry run.
        Raises TooManyOperations."""
        if self._stopping.is_set() or not self._free.acquire(blocking=False):
            raise TooManyOperations(
                f"{MAX_RUNNING} operations on many jobs are under way; wait until one has ended."
            )
        operation = Operation()

        def act(progressed: Callable[[int, int], None]) -> BulkView:
            return jobs.act_on_all(action, query, counted=counted, reason=reason, on_progress=progressed)

        run = (operation, counted, act)
        threading.Thread(target=self._run, args=run, name="holdfast-bulk", daemon=True).start()
        return operation

    def stop(self) -> None:
        """End every operation after its current batch. Idempotent."""
        self._stopping.set()

    def _run(
        self, operation: Operation, counted: BulkView, act: Callable[[Callable[[int, int], None]], BulkView]
    ) -> None:
        def progressed(done: int, refused: int) -> None:
            operation.done, operation.refused = done, refused
            if self._stopping.is_set():
                raise OperationStopped("The server stopped; send the action again to do the rest.")

        try:
            result = BulkResult.model_validate(act(progressed).model_dump())
        except HoldfastError as known:
            log.warning("operation ended early", action=counted.action, error=known.detail)
            result = operation.so_far(counted, known.detail)
        except Exception as unexpected:
            error_id = log_unexpected(unexpected, "operation", counted.action)
            detail = f"Something went wrong; the server logged it as {error_id}. What is done stays done."
            result = operation.so_far(counted, detail)
        finally:
            self._free.release()
        operation.ended.set_result(result)


def respond(operation: Operation) -> StreamingResponse:
    """A response with the result of an operation, sent when it has ended."""
    return StreamingResponse(_when_done(operation.ended), media_type="application/json")


async def _when_done(ended: Future[BulkResult]) -> AsyncGenerator[bytes]:
    """Blanks, which JSON allows before a value, until there is a result."""
    waiting = asyncio.wrap_future(ended)
    while not waiting.done():
        await asyncio.wait([waiting], timeout=KEEP_ALIVE)
        if not waiting.done():
            yield b" "
    yield waiting.result().model_dump_json().encode()
