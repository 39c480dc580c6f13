"""Runs workers, maintenance tasks and the web server in one event loop, and stops them in sequence."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog
import uvloop

from holdfast.app import Holdfast, Parts
from holdfast.core.settings import Settings
from holdfast.hosting.child import SELF
from holdfast.hosting.fork_launch import launch_fork_server
from holdfast.hosting.locks import locks_of
from holdfast.hosting.service import worker_count
from holdfast.hosting.web_supervisor import WebSupervisor
from holdfast.runtime.clock import new_worker_id
from holdfast.runtime.periodic import FailedTooOften, PeriodicRunner, keep_running, when_it_fails
from holdfast.scheduler.leader import Leader, holder_of, lease_of
from holdfast.scheduler.maintenance import RescueDeadProcesses, maintenance_tasks
from holdfast.storage.topics import Topic
from holdfast.worker.fork_server import ForkServer
from holdfast.worker.starting import WorkerStarter
from holdfast.worker.supervisor import Supervisor

WEB_TIMEOUT = 3.0
"""Maximum seconds that the web server waits for the first worker."""

POLL_INTERVAL = 0.05
"""Seconds between two checks whether the workers are registered, when no signal comes."""

log = structlog.get_logger("holdfast.hosting")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_workers(
    app: Holdfast,
    path: str,
    *,
    web: WebSupervisor | None = None,
    ready: Callable[[], None] | None = None,
    forks: ForkServer | None = None,
) -> int:
    """Run a supervisor with its worker processes and the maintenance tasks until SIGTERM or SIGINT, or until all workers
    have been drained and there is no web server beside them; returns the exit code.

    `path` is what the worker processes import. `web` is a web server to keep running beside them; it starts when the first
    worker is registered, so that no job waits for it. `ready` is called once, when all workers are registered and the web
    server is ready. `forks`: a fork server that was launched before. Stopping: workers first, so that a page can show how
    their jobs end, then the maintenance tasks, then the web server. A second signal shortens the grace period.
    """
    settings = app.settings
    parts = app.open()
    count = worker_count(settings)
    supervisor = Supervisor(
        path,
        settings,
        parts.gateway,
        parts.store,
        count=count,
        name=socket.gethostname(),
        starter=WorkerStarter(
            (*SELF, "worker-process"), path, settings.model_dump(), launch=launch_fork_server, first=forks
        ),
        locks=locks_of(settings),
    )

    async def main() -> int:
        stopping = _on_stop(supervisor.stop)
        end = _Ending(lambda: (stopping.set(), supervisor.stop()))
        maintenance = MaintenanceTasks(parts, settings, end.fail, supervised=lambda: supervisor.workers)
        tasks: list[asyncio.Task[None]] = []
        if web is not None:
            tasks.append(end.with_part("web", partial(_serve_web, parts, supervisor, web)))
        if ready is not None:
            tasks.append(end.with_part("ready", partial(_announce, parts, supervisor, count, web, ready)))
        try:
            await supervisor.run()
        except* FailedTooOften as failed:
            log.error("the supervisor failed; stopping its workers", exc_info=failed)
            end.fail()
        if web is not None:  # its pages remain when all workers have been drained
            await stopping.wait()
        await maintenance.stop()
        if web is not None:
            await web.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return end.exit_code

    code = uvloop.run(main())
    app.close()
    return code


def run_maintenance(app: Holdfast, *, ready: Callable[[], None] | None = None) -> int:
    """Run only the maintenance tasks, until SIGTERM or SIGINT; returns the exit code."""
    parts = app.open()

    async def main() -> int:
        stopping = _on_stop(lambda: None)
        end = _Ending(stopping.set)
        maintenance = MaintenanceTasks(parts, app.settings, end.fail)
        if ready is not None:
            ready()
        await stopping.wait()
        await maintenance.stop()
        return end.exit_code

    code = uvloop.run(main())
    app.close()
    return code


class _Ending:
    """Ends a process of which a part has failed too often: cleanly, with an exit code that makes a supervisor restart it."""

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        self.exit_code = 0

    def fail(self) -> None:
        """Stop the process with exit code 1."""
        if not self.exit_code:
            self.exit_code = 1
            self._stop()

    def with_part(self, name: str, body: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Start a part of the process; the process ends when the part fails too often."""
        task = asyncio.create_task(keep_running(name, body), name=name)
        when_it_fails(task, self.fail)
        return task


class MaintenanceTasks:
    """The maintenance tasks, started on the running event loop; they work while this process is the leader. `failed` is
    called when a task has failed too often: then the process must end, so that another one becomes leader."""

    def __init__(
        self,
        parts: Parts,
        settings: Settings,
        failed: Callable[[], None],
        *,
        supervised: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        name = new_worker_id()
        locks = locks_of(settings)
        self._lock = locks.hold(name)
        holder = holder_of(socket.gethostname(), os.getpid(), name)
        self._leader = Leader(parts.gateway, holder, lease_of(settings.lease))
        rescue_dead = RescueDeadProcesses(parts.gateway, parts.store, locks, supervised)
        tasks = maintenance_tasks(parts.gateway, parts.store, self._leader, rescue_dead, lease=settings.lease)
        self._loops = [PeriodicRunner(task, parts.signals, failed) for task in tasks]
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Stop the tasks, then let another process become leader at once."""
        for loop in self._loops:
            await loop.stop()
        await self._leader.resign()
        if self._lock is not None:
            self._lock.release()


def _on_stop(call: Callable[[], None]) -> asyncio.Event:
    """Calls `call` at each SIGTERM or SIGINT; the event is set at the first."""
    stopping = asyncio.Event()

    def on_signal() -> None:
        stopping.set()
        call()

    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return stopping


async def _serve_web(parts: Parts, supervisor: Supervisor, web: WebSupervisor) -> None:
    """Keep the web server running. Connections made before it starts wait in the backlog of its socket."""
    with suppress(TimeoutError):  # without a worker too: pages show why there is none
        async with asyncio.timeout(WEB_TIMEOUT):
            await _until_registered(parts, supervisor, 1)
    await web.run()


async def _announce(
    parts: Parts, supervisor: Supervisor, count: int, web: WebSupervisor | None, ready: Callable[[], None]
) -> None:
    await _until_registered(parts, supervisor, count)
    if web is not None:
        await web.until_ready()
    ready()


async def _until_registered(parts: Parts, supervisor: Supervisor, count: int) -> None:
    listener = parts.signals.listen((Topic.EVENTS,))
    try:
        while not await _are_registered(parts, supervisor, count):
            await listener.wait_async(POLL_INTERVAL)
    finally:
        listener.close()


async def _are_registered(parts: Parts, supervisor: Supervisor, count: int) -> bool:
    """Whether `count` of the worker processes that run now are registered."""
    started = supervisor.workers
    if len(started) < count:
        return False
    live = {worker.id for worker in await asyncio.to_thread(parts.store.workers) if worker.state == "live"}
    return len(live.intersection(started)) >= count
