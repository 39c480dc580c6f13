"""Drains workers by name and waits until they have stopped."""

from __future__ import annotations

import time
from collections.abc import Sequence

from holdfast.cli.backend.protocol import Backend
from holdfast.cli.commands.job_wait import POLL_INTERVAL, OutageTimer, is_unreachable
from holdfast.cli.exit_codes import CliError, ExitCode
from holdfast.cli.format.columns import WORKERS
from holdfast.cli.format.output import Writer, say
from holdfast.client.views import WorkerView
from holdfast.core.errors import NotFound, StorageUnavailable


def drain_all(
    backend: Backend, writer: Writer, names: Sequence[str], *, wait: bool, deadline: float | None
) -> int:
    """Drain the named workers, write their state, and return the exit code. `wait`: until they have stopped; FAILED when one
    of them was lost meanwhile."""
    drained: list[WorkerView] = []
    for worker in _chosen(backend.workers(), names):
        if worker.state == "lost":
            say(f"{worker.name or worker.id} is lost; nothing to drain.")
        else:
            try:
                drained.append(backend.drain_worker(worker.id))
            except NotFound:  # it stopped after the list was read
                say(f"{worker.name or worker.id} has stopped.")
    writer.many(drained, WORKERS)
    return wait_until_ended(backend, drained, deadline) if wait else ExitCode.DONE


def _chosen(workers: Sequence[WorkerView], names: Sequence[str]) -> list[WorkerView]:
    """The workers with these names; lost ones only by id. Raises NotFound for a name without a worker."""
    chosen: dict[str, WorkerView] = {}
    for name in names:
        found = [
            worker
            for worker in workers
            if name == worker.id or (worker.state != "lost" and name in (worker.name, worker.host))
        ]
        if not found:
            raise NotFound(f"No worker {name[:60]!r}. List them: holdfast worker list")
        chosen |= {worker.id: worker for worker in found}
    return list(chosen.values())


def wait_until_ended(backend: Backend, workers: Sequence[WorkerView], deadline: float | None) -> int:
    """Wait until draining workers have stopped, with a message for each. Returns the exit code: FAILED when one was lost,
    TIMEOUT when `deadline` passed first."""
    waiting = {worker.id: worker for worker in workers}
    outage, lost = OutageTimer(), False
    with backend.listen("") as changes:
        while waiting:
            known = _workers_by_id(backend, outage)
            for worker in list(waiting.values()):
                now = worker if known is None else known.get(worker.id)
                if now is None:
                    say(f"{worker.name or worker.id} has stopped.")
                elif now.state == "lost":
                    lost = True
                    say(f"{worker.name or worker.id} was lost; its jobs are requeued.")
                else:
                    waiting[worker.id] = now
                    continue
                del waiting[worker.id]
            if not waiting:
                break
            if deadline is not None and time.monotonic() >= deadline:
                left = sum(worker.busy for worker in waiting.values())
                say(f"Timed out: {len(waiting)} workers with {left} jobs are still draining.")
                return ExitCode.TIMEOUT
            changes.wait(
                POLL_INTERVAL if deadline is None else min(POLL_INTERVAL, deadline - time.monotonic())
            )
    return ExitCode.FAILED if lost else ExitCode.DONE


def _workers_by_id(backend: Backend, outage: OutageTimer) -> dict[str, WorkerView] | None:
    try:
        known = {worker.id: worker for worker in backend.workers()}
    except (CliError, StorageUnavailable) as error:
        if not is_unreachable(error):
            raise
        outage.failed(error)
        return None
    outage.succeeded()
    return known
