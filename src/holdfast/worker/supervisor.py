"""The supervisor: starts worker processes, sends their heartbeats, replaces the ones that die, and stops them.

It runs no user code, so a job cannot stop a heartbeat. Each confirmed heartbeat is passed on to the worker and to the guard.
A process that is stopped (SIGSTOP, a debugger) gets none, and the guard kills it before its lease ends and its jobs run
elsewhere. A process that does not react, although one of its jobs should have ended, is killed; its other jobs are requeued.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from dataclasses import asdict, dataclass
from functools import partial

import structlog

from holdfast.core.errors import StorageUnavailable
from holdfast.core.settings import Settings
from holdfast.core.states import DIED
from holdfast.runtime.clock import new_worker_id, since_boot
from holdfast.runtime.periodic import keep_running
from holdfast.runtime.process_locks import Lock, ProcessLocks
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader
from holdfast.storage.writes import Heartbeat, Rescue
from holdfast.worker.guarding import KILL_AT, GuardKeeper
from holdfast.worker.process import DRAINED, Orders
from holdfast.worker.starting import Process, WorkerStarter
from holdfast.worker.supervisor_line import HURRY, heartbeat_line

UNRESPONSIVE_AFTER = 5.0
"""Seconds after the end of its own grace in which a worker process must have acted on a cancel or a time limit."""

MAX_TRANSACTION = 5.0
"""Seconds for which a worker process may be in one transaction, which takes milliseconds; others wait at most ten."""

MAX_PAUSE = 10.0

LATEST_HEARTBEAT = 1 / 4
"""Part of the lease between two heartbeats at most, whatever the settings say: a few may be lost."""

LAST_CHILD = 2.0
"""Seconds in which the children of a dead worker end too, which the kernel kills with it."""

POLL_INTERVAL = 0.01

log = structlog.get_logger("holdfast.worker")


@dataclass(slots=True, eq=False)
class Child:
    """One worker process as its supervisor sees it.

    `confirmed`: when its last confirmed heartbeat was begun; None until it has come up."""

    worker: str
    process: Process
    confirmed: float | None = None

    def confirm(self, begun: float) -> None:
        """A heartbeat for it that was begun at that time is confirmed. Passes that on."""
        self.confirmed = begun
        self.send(heartbeat_line(begun))

    def send(self, line: bytes) -> None:
        """Write a line to its input, unless it is gone."""
        self.process.write(line)

    def signal(self, number: int) -> None:
        """Send a signal; a process that has ended meanwhile needs none."""
        with contextlib.suppress(ProcessLookupError):
            self.process.signal(number)


class Supervisor:
    """Keeps `count` worker processes running, except those that are drained. `run` returns after `stop`, or when none is
    left."""

    def __init__(
        self,
        app: str,
        settings: Settings,
        gateway: Gateway,
        reader: Reader,
        *,
        count: int,
        name: str,
        starter: WorkerStarter,
        locks: ProcessLocks,
    ) -> None:
        self._app = app
        self._settings = settings
        self._gateway = gateway
        self._reader = reader
        self._count = count
        self._name = name
        self._starter = starter
        self._locks = locks
        self._guard = GuardKeeper(settings.lease)
        self._children: dict[str, Child] = {}
        self._stopping = asyncio.Event()
        self._stops = 0
        self._transaction: tuple[int, int] | None = None
        self._transaction_seen = 0.0

    @property
    def workers(self) -> list[str]:
        """The ids of the worker processes that are running now, registered or not."""
        return list(self._children)

    async def run(self) -> None:
        """Until `stop`, and then until every worker process has ended; or until all of them have been drained."""
        # a part that fails ends all: a supervisor without heartbeats is of no use
        async with asyncio.TaskGroup() as parts:
            rounds = [
                parts.create_task(keep_running("guard", self._guard.run)),
                parts.create_task(keep_running("heartbeats", self._heartbeat)),
                parts.create_task(keep_running("watch", self._watch)),
            ]
            keepers = (partial(self._keep, index) for index in range(self._count))
            try:
                await asyncio.gather(*(keep_running("keeper", keeper) for keeper in keepers))
            finally:
                self._starter.close()
            for part in rounds:
                part.cancel()

    def stop(self) -> None:
        """First call: worker processes stop gracefully. Second call: they do not wait for their jobs."""
        self._stops += 1
        self._stopping.set()
        self._starter.close()
        for child in self._children.values():
            child.signal(signal.SIGTERM)
            if self._stops > 1:
                child.send(HURRY)
        if self._stops <= 2:
            timeout = UNRESPONSIVE_AFTER + (self._settings.stop_grace if self._stops == 1 else 0.0)
            asyncio.get_running_loop().call_later(timeout, self._kill_the_remaining)

    def _kill_the_remaining(self) -> None:
        """The grace time is over. A process that is blocked by a job does not react to SIGTERM."""
        for child in self._children.values():
            log.error("worker does not stop; killing it", worker=child.worker)
            child.signal(signal.SIGKILL)

    async def _keep(self, index: int) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            child = await self._start(index)
            if child is None:
                return
            code = await child.process.wait()
            self._guard.gone(child.process.pid)
            await self._requeue_jobs_of(child, code)
            del self._children[child.worker]
            if self._stopping.is_set():
                return
            if code == DRAINED and await self._was_drained(child):
                log.info("worker drained; not replacing it", worker=child.worker)
                return
            # a worker that cannot come up must not be started in a hot loop; one that was up is replaced at once
            pause = 0.0 if child.confirmed else min(MAX_PAUSE, max(0.5, pause * 2))
            log.warning(
                "worker process ended; replacing it",
                worker=child.worker,
                exit=self._exit_reason(child, code),
                after=round(pause, 1),
            )
            await self._sleep(pause)

    async def _start(self, index: int) -> Child | None:
        guard = self._guard.line.fd
        process = await self._starter.start(guard)
        if process is None:  # we were stopped meanwhile
            return None
        worker = new_worker_id()
        orders = Orders(worker, f"{self._name}-{index + 1}", self._app, self._settings.model_dump(), guard)
        child = self._children[worker] = Child(worker, process)
        child.send(json.dumps(asdict(orders)).encode() + b"\n")
        if self._stopping.is_set():
            child.signal(signal.SIGTERM)
        return child

    async def _requeue_jobs_of(self, child: Child, code: int) -> None:
        """Its process has certainly ended, so its jobs are requeued now, not when the lease expires. This does not depend on
        the exit code: a job may have ended the process with 0."""
        try:
            async with asyncio.timeout(LAST_CHILD):
                while self._locks.look(child.worker) is Lock.HELD:  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(POLL_INTERVAL)
        except TimeoutError:
            log.warning("children of a dead worker still run; its jobs wait for them", worker=child.worker)
            return
        why = f"{DIED} ({self._exit_reason(child, code)})"
        try:
            for swept in await self._gateway.run_async(Rescue([child.worker], why=why)):
                log.warning(
                    "requeued from a dead worker", job=swept.id, type=swept.type, why=why, now=swept.state
                )
            self._locks.forget(child.worker)
        except StorageUnavailable as error:
            log.warning("could not requeue jobs of a dead worker: storage unavailable", error=str(error))

    def _exit_reason(self, child: Child, code: int) -> str:
        """How a worker process has ended, as text."""
        unconfirmed = 0.0 if child.confirmed is None else since_boot() - child.confirmed
        if code == -signal.SIGKILL and unconfirmed >= KILL_AT * self._settings.lease:
            return "no heartbeat was confirmed"
        if code >= 0:
            return f"exit code {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:  # a real-time signal has no name
            return f"signal {-code}"

    async def _was_drained(self, child: Child) -> bool:
        """Whether it ended cleanly, so that its row is gone. The exit code alone may have been chosen by a job."""
        try:
            known = {record.id for record in await asyncio.to_thread(self._reader.workers)}
        except StorageUnavailable:
            return True  # its exit code is all there is; the store was available when it retired
        return child.worker not in known

    async def _heartbeat(self) -> None:
        pause = min(self._settings.heartbeat_interval, LATEST_HEARTBEAT * self._settings.lease)
        while True:
            self._starter.reap()
            alive = [worker for worker, child in self._children.items() if not child.process.is_stopped()]
            if alive:
                await self._send_heartbeats(alive)
            await asyncio.sleep(pause)

    async def _send_heartbeats(self, workers: list[str]) -> None:
        """One write for each, so that a locked row costs no other worker its heartbeat. They are stored together all the
        same."""
        # before the store renews the leases, so that no worker believes in its own for longer than the store does
        begun = since_boot()
        heartbeats = [
            self._gateway.run_async(Heartbeat([worker], lease=self._settings.lease)) for worker in workers
        ]
        renewed, missing, failed = set[str](), set[str](), dict[str, StorageUnavailable]()
        for worker, result in zip(
            workers, await asyncio.gather(*heartbeats, return_exceptions=True), strict=True
        ):
            if isinstance(result, StorageUnavailable):
                failed[worker] = result
            elif isinstance(result, BaseException):
                raise result
            else:
                (renewed if worker in result else missing).add(worker)
        if failed:
            error = str(next(iter(failed.values())))
            log.warning("heartbeats fail: storage unavailable", workers=list(failed), error=error)
        for worker in renewed & self._children.keys():
            child = self._children[worker]
            child.confirm(begun)
            self._guard.confirm(child.process.pid, begun)
        await self._kill_the_lost(missing)

    async def _kill_the_lost(self, missing: set[str]) -> None:
        if not missing:
            return
        try:
            known = {record.id: record.state for record in await asyncio.to_thread(self._reader.workers)}
        except StorageUnavailable:
            return  # the next heartbeat logs it
        for worker in missing:
            child = self._children.get(worker)
            if child is not None and known.get(worker) == "lost":
                log.error("worker was presumed dead by others; killing and replacing it", worker=worker)
                child.signal(signal.SIGKILL)

    async def _watch(self) -> None:
        """Kill processes that do not react although one of their jobs should have ended, or although all other processes
        wait for their transaction: a job that holds the GIL may have stopped its process in the middle of one."""
        while True:
            await asyncio.sleep(1.0)
            if self._children:
                await self._kill_the_blocking()
                await self._kill_the_unresponsive()

    async def _kill_the_unresponsive(self) -> None:
        grace = self._settings.cancel_grace + UNRESPONSIVE_AFTER
        try:
            overdue = await asyncio.to_thread(self._reader.overdue, list(self._children), grace=grace)
        except StorageUnavailable:
            return  # already logged by the heartbeat
        for worker, job in overdue:
            child = self._children.get(worker)
            if child is not None and not child.process.stopped:
                log.error("worker unresponsive; killing and replacing it", worker=worker, job=job)
                child.signal(signal.SIGKILL)

    async def _kill_the_blocking(self) -> None:
        transaction = await asyncio.to_thread(self._reader.write_lock_holder)
        if transaction is None or transaction != self._transaction:
            self._transaction, self._transaction_seen = transaction, time.monotonic()
        elif time.monotonic() - self._transaction_seen > MAX_TRANSACTION:
            for child in self._children.values():
                if child.process.pid == transaction[0]:
                    log.error(
                        "worker blocks all writes; killing and replacing it",
                        worker=child.worker,
                    )
                    child.signal(signal.SIGKILL)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
