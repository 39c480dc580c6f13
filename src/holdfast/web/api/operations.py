"""This exists so that an action on very many jobs does not hold a request open: it runs here, and can be watched by its id.

An operation lives in the memory of this process. When the server stops, it stops between two pages of jobs; what it has done
stays done, and the same action can be sent again: jobs that are done no longer match or refuse it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from holdfast.client.overview import Overview
from holdfast.client.views import BulkView
from holdfast.core.commands import Action
from holdfast.core.errors import HoldfastError, NotFound
from holdfast.core.query import Query
from holdfast.runtime.clock import new_id
from holdfast.web.errors import log_accident

MOST_RUNNING = 4
KEPT = 200

log = structlog.get_logger("holdfast.web")


class TooManyOperations(HoldfastError):
    """As many actions on many jobs are under way as may be."""

    code = "too_many_operations"
    status = 503
    title = "Too many operations are under way"


class OperationStopped(HoldfastError):
    """The server stopped while the operation was under way."""

    code = "operation_stopped"


class Operation(BulkView):
    """An action on many jobs that runs in the background. `matched` and `fits` are as counted at its start; `error` tells
    why it ended early; `finished`: nothing more will be done."""

    id: str
    reason: str | None = None
    started_at: datetime
    finished_at: datetime | None = None
    finished: bool = False
    error: str | None = None


class Operations:
    """The operations of this process, the newest KEPT of them."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._known: dict[str, Operation] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self, counted: BulkView, action: Action, query: Query, reason: str | None) -> Operation:
        """Begin to do `action` to all that match; `counted` is its dry run. Raises TooManyOperations."""
        values = {**counted.model_dump(), "dry_run": False, "reason": reason}
        operation = Operation.model_validate({**values, "id": new_id(), "started_at": datetime.now(UTC)})
        with self._lock:
            running = sum(not one.finished for one in self._known.values())
            if running >= MOST_RUNNING or self._stopping.is_set():
                raise TooManyOperations(
                    f"{running} operations on many jobs are under way; wait until one has ended."
                )
            ended = [key for key, one in self._known.items() if one.finished]
            for key in ended[: max(0, len(self._known) - KEPT + 1)]:
                del self._known[key]
            self._known[operation.id] = operation
        told = (operation.id, action, query, reason)
        threading.Thread(target=self._run, args=told, name="holdfast-bulk", daemon=True).start()
        return operation

    def find(self, operation_id: str) -> Operation:
        """How an operation stands. Raises NotFound."""
        operation = self._known.get(operation_id)
        if operation is None:
            raise NotFound(
                f"There is no operation {operation_id[:60]}. It ended long ago, or the server was restarted since; "
                "count with dry_run what is left, and send the action again."
            )
        return operation

    def stop(self) -> None:
        """Let every operation end at its next page. Idempotent."""
        self._stopping.set()

    def _run(self, operation_id: str, action: Action, query: Query, reason: str | None) -> None:
        def told(done: int, refused: int) -> None:
            self._change(operation_id, done=done, refused=refused)
            if self._stopping.is_set():
                raise OperationStopped("The server stopped; send the action again to do the rest.")

        error = self._try(
            lambda: self._overview.act_on_all(action, query, reason=reason, told=told), operation_id
        )
        self._change(operation_id, finished=True, finished_at=datetime.now(UTC), error=error)

    def _try(self, work: Callable[[], object], operation_id: str) -> str | None:
        try:
            work()
        except HoldfastError as error:
            log.warning("operation ended early", operation=operation_id, error=error.detail)
            return error.detail
        except Exception as error:
            error_id = log_accident(error, "operation", operation_id)
            return f"Something went wrong; the server logged it as {error_id}. What is done stays done."
        return None

    def _change(self, operation_id: str, **values: Any) -> None:
        with self._lock:
            self._known[operation_id] = self._known[operation_id].model_copy(update=values)
