"""Actions on very many jobs: done before the response ends, which is kept alive meanwhile.

Nothing of them is kept in the memory of one web process: behind a proxy the next request may reach another one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import Future

import structlog
from starlette.responses import StreamingResponse

from holdfast.client.overview import Overview
from holdfast.client.views import BulkView
from holdfast.core.commands import Action
from holdfast.core.errors import HoldfastError
from holdfast.core.query import Query
from holdfast.web.errors import log_accident

MAX_RUNNING = 4
KEEP_ALIVE = 5.0
"""Seconds between two bytes of a response that is not complete: proxies give up after 30 to 60 s of silence."""

log = structlog.get_logger("holdfast.web")


class TooManyOperations(HoldfastError):
    """As many actions on many jobs are under way as may be."""

    code = "too_many_operations"
    status = 503
    title = "Too many operations are under way"


class OperationStopped(HoldfastError):
    """The server stopped while the operation was under way."""

    code = "operation_stopped"


class BulkResult(BulkView):
    """What an action on all jobs that match did. `error`: why it ended early; what is done stays done."""

    error: str | None = None


class Operations:
    """The actions on very many jobs that this process is doing."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._free = threading.BoundedSemaphore(MAX_RUNNING)
        self._stopping = threading.Event()

    def respond(
        self, counted: BulkView, action: Action, query: Query, reason: str | None
    ) -> StreamingResponse:
        """Begin to do `action` to all that match, and respond when it is done; a caller that leaves does not stop it.
        `counted` is its dry run. Raises TooManyOperations."""
        if self._stopping.is_set() or not self._free.acquire(blocking=False):
            raise TooManyOperations(
                f"{MAX_RUNNING} operations on many jobs are under way; wait until one has ended."
            )
        ended = Future[BulkResult]()
        told = (ended, counted, action, query, reason)
        threading.Thread(target=self._run, args=told, name="holdfast-bulk", daemon=True).start()
        return StreamingResponse(_when_done(ended), media_type="application/json")

    def stop(self) -> None:
        """Let every operation end at its next page. Idempotent."""
        self._stopping.set()

    def _run(
        self, ended: Future[BulkResult], counted: BulkView, action: Action, query: Query, reason: str | None
    ) -> None:
        result = BulkResult.model_validate({**counted.model_dump(), "dry_run": False})

        def progressed(done: int, refused: int) -> None:
            nonlocal result
            result = result.model_copy(update={"done": done, "refused": refused})
            if self._stopping.is_set():
                raise OperationStopped("The server stopped; send the action again to do the rest.")

        error = None
        try:
            self._overview.act_on_all(action, query, reason=reason, told=progressed)
        except HoldfastError as known:
            log.warning("operation ended early", action=action, error=known.detail)
            error = known.detail
        except Exception as unexpected:
            error_id = log_accident(unexpected, "operation", str(action))
            error = f"Something went wrong; the server logged it as {error_id}. What is done stays done."
        finally:
            self._free.release()
        ended.set_result(result.model_copy(update={"error": error}))


async def _when_done(ended: Future[BulkResult]) -> AsyncGenerator[bytes]:
    """Blanks, which JSON allows before a value, until there is a result."""
    waiting = asyncio.wrap_future(ended)
    while not waiting.done():
        await asyncio.wait([waiting], timeout=KEEP_ALIVE)
        if not waiting.done():
            yield b" "
    yield waiting.result().model_dump_json().encode()
