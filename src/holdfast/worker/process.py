"""A worker process: claims and runs jobs until its supervisor stops it, or is gone.

Started by `holdfast.worker.supervisor` with its startup message as one line of JSON on standard input, which then stays
open: the end of input means that the supervisor died. Stopping has three steps: claim nothing more; let running jobs end or
reach a checkpoint for the grace period; interrupt and requeue what is left.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from holdfast.client.task import JobType
from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import WorkerRow
from holdfast.core.outcome import Settlement
from holdfast.core.retention import Retention
from holdfast.core.settings import Settings
from holdfast.core.states import Verb
from holdfast.runtime.clock import since_boot
from holdfast.runtime.periodic import keep_running, when_it_fails
from holdfast.runtime.process_locks import HeldLock
from holdfast.runtime.signals import Signals
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader
from holdfast.storage.topics import Topic
from holdfast.storage.writes import DrainWorker, PublishTypes, RegisterWorker, RetireWorker, Settle
from holdfast.worker.clock import StoreClock
from holdfast.worker.executors.base import Executor
from holdfast.worker.executors.loop import LoopExecutor
from holdfast.worker.executors.process import ProcessExecutor
from holdfast.worker.executors.thread import ThreadExecutor
from holdfast.worker.fence import Fence
from holdfast.worker.fetcher import Fetcher, Pool
from holdfast.worker.guarding import GuardLine
from holdfast.worker.report_batcher import ReportBatcher
from holdfast.worker.runner import Runner
from holdfast.worker.settling import SettlementPolicy

MIN_WAKE_INTERVAL = 0.002
"""Seconds between two reactions to signals: a storm of them costs at most 500 looks a second."""


DRAINED = 86
"""Exit code of a worker process that was drained: it ended cleanly and is not to be replaced."""

MIN_DRAIN_CHECK_INTERVAL = 0.5
"""Seconds between two looks whether this worker is to drain, however many signals come."""

log = structlog.get_logger("holdfast.worker")


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker process gets from its supervisor at its start."""

    worker: str
    name: str
    app: str
    settings: dict[str, Any]
    guard: int
    """Inherited: the end of the pipe to the guard."""


class WorkerProcess:
    """All parts of one worker process, joined."""

    def __init__(
        self,
        worker: WorkerRow,
        app: str,
        settings: Settings,
        types: dict[str, JobType],
        reader: Reader,
        gateway: Gateway,
        signals: Signals,
        *,
        hear: Callable[[], None],
        guard: GuardLine | None = None,
        lock: HeldLock | None = None,
    ) -> None:
        self._worker = worker
        self._app = app
        self._settings = settings
        self._types = types
        self._reader = reader
        self._gateway = gateway
        self._signals = signals
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._asked_to_stop = False
        self._draining: asyncio.Task[None] | None = None
        self._drain_seen_at = 0.0
        self._lock = lock
        self._fence = Fence(settings.lease, guard, self, hear)
        self.exit_code = 0

    async def run(self) -> int:
        """Run until asked to stop. Returns the exit code."""
        s, loop = self._settings, asyncio.get_running_loop()
        batcher = ReportBatcher(self._gateway, loop)
        threads = self._threads = ThreadExecutor(s.threads, grace=s.stop_grace)
        tasks_here = self._tasks = LoopExecutor(grace=s.stop_grace)
        executors: dict[str, Executor] = {
            "loop": tasks_here,
            "thread": threads,
            "process": ProcessExecutor(
                s.children,
                self._app,
                s,
                grace=s.stop_grace,
                lock=None if self._lock is None else self._lock.fd,
            ),
        }
        self._clock = StoreClock(self._reader.now)
        policy = SettlementPolicy(
            Retention(s.keep_succeeded, s.keep_failed, s.keep_cancelled), self._clock, random.random
        )
        fetcher = self._fetcher = Fetcher(
            self._gateway, self._worker.id, self._pools(), s.queues, s.concurrency, policy.settlement_refused
        )
        runner = self._runner = Runner(
            self._types, executors, batcher, policy, fetcher.settle, cancel_grace=s.cancel_grace
        )
        if not await self._came_up():
            return self.exit_code
        tasks = [
            asyncio.create_task(self._fence.keep(), name="fence"),
            asyncio.create_task(fetcher.run(runner.start), name="fetcher"),
            asyncio.create_task(keep_running("work", self._hear_work), name="work"),
            asyncio.create_task(keep_running("control", self._hear_control), name="control"),
            asyncio.create_task(keep_running("reconcile", self._reconcile), name="reconcile"),
        ]
        for task in tasks:
            when_it_fails(task, lambda: self.fail(1))
        await self._stopping.wait()
        await self._wind_down()
        if self._draining is not None:
            tasks.append(self._draining)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for executor in executors.values():
            await executor.close()
        if not self.exit_code:
            await self._gateway.run_async(RetireWorker(self._worker.id))
            self.exit_code = DRAINED if self._draining else 0
        return self.exit_code

    def stop(self) -> None:
        """Stop gracefully: claim nothing more, and let running jobs end or reach a checkpoint for the grace time."""
        if not self._asked_to_stop:
            self._asked_to_stop = True
            self._stopping.set()
            asyncio.get_running_loop().call_later(self._settings.stop_grace, self._hurry.set)

    def hurry(self) -> None:
        """Stop without waiting for the grace time."""
        self.stop()
        self._hurry.set()

    def fail(self, exit_code: int) -> None:
        """Stop at once, with this exit code."""
        self.exit_code = exit_code
        self._hurry.set()
        self._stopping.set()

    def confirm(self, begun: float) -> None:
        """A heartbeat that the supervisor began at that time is confirmed."""
        self._fence.confirm(begun)

    # -- what the fence does ----------------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Nothing of a job runs in this process, as far as can be known."""
        return not (self._runner.active or self._threads.abandoned or self._tasks.abandoned)

    def halt(self) -> None:
        """Begin no job, and ask those that run to stop."""
        self._fetcher.stop_claiming()
        self._runner.halt()

    def force(self) -> None:
        """End by force the jobs that have not stopped."""
        self._runner.force_all("no heartbeat is confirmed")

    def resume(self) -> None:
        """Begin jobs again, unless the worker stops or is drained."""
        if not self._stopping.is_set() and self._draining is None:
            self._runner.resume()
            self._fetcher.claim_again()

    # -- parts ------------------------------------------------------------------------------------------------------------

    def _pools(self) -> dict[str, Pool]:
        slots = {
            "loop": self._settings.concurrency,
            "thread": self._settings.threads,
            "process": self._settings.children,
        }
        return {
            executor: Pool(
                frozenset(n for n, kind in self._types.items() if kind.options.executor == executor), count
            )
            for executor, count in slots.items()
        }

    async def _came_up(self) -> bool:
        """Whether the worker is registered. While the store is unavailable it waits, until it is asked to stop."""
        coming = asyncio.create_task(keep_running("register", self._register), name="register")
        stop = asyncio.create_task(self._stopping.wait(), name="stop")
        await asyncio.wait((coming, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not coming.done():
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            return False
        coming.result()
        return True

    async def _register(self) -> None:
        await self._gateway.run_async(
            PublishTypes([kind.row(self._settings.retries) for kind in self._types.values()])
        )
        self._fence.confirm(since_boot())
        await self._gateway.run_async(RegisterWorker(self._worker, lease=self._settings.lease))
        await asyncio.to_thread(self._clock.measure)
        self._fence.begin()

    async def _hear_work(self) -> None:
        listener = self._signals.listen((Topic.WORK,))
        try:
            while True:
                await listener.wait_async(self._settings.poll_interval)
                self._fetcher.look()
                await asyncio.sleep(MIN_WAKE_INTERVAL)
        finally:
            listener.close()

    async def _hear_control(self) -> None:
        listener = self._signals.listen((Topic.CONTROL,))
        try:
            while True:
                heard = await listener.wait_async(self._settings.poll_interval)
                if self._runner.active:
                    await self._look_for_requests()
                if heard:
                    await self._look_whether_drained()
                if self._threads.abandoned and not self._stopping.is_set():
                    log.warning("a thread cannot be ended; replacing the worker when its other jobs are done")
                    self._stopping.set()
                await asyncio.sleep(MIN_WAKE_INTERVAL)
        finally:
            listener.close()

    async def _look_for_requests(self) -> None:
        try:
            self._runner.hear(await asyncio.to_thread(self._reader.pending_requests, [self._worker.id]))
        except StorageUnavailable as error:
            log.warning("could not read requests: storage unavailable", error=str(error))

    async def _look_whether_drained(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._draining or self._stopping.is_set() or now - self._drain_seen_at < MIN_DRAIN_CHECK_INTERVAL:
            return
        self._drain_seen_at = now
        try:
            mine = [w.state for w in await asyncio.to_thread(self._reader.workers) if w.id == self._worker.id]
        except StorageUnavailable as error:
            log.warning("could not read whether to drain: storage unavailable", error=str(error))
            return
        if mine == ["draining"]:
            log.info("worker is draining; it claims nothing more and exits after its last job")
            self._draining = asyncio.create_task(self._drain(), name="drain")
            when_it_fails(self._draining, lambda: self.fail(1))

    async def _drain(self) -> None:
        """Let every job end in its own time. To hurry, stop the process."""
        self._fetcher.stop_claiming()
        while not self._fetcher.idle:  # noqa: ASYNC110 - an event would cost every job
            await asyncio.sleep(0.05)
        self._stopping.set()

    async def _reconcile(self) -> None:
        """Compare what the store says runs here with what does. What is no longer ours is interrupted at once; what is
        unknown here, a claim whose response was lost, is requeued."""
        strangers: set[tuple[int, int]] = set()
        while True:
            await asyncio.sleep(self._settings.heartbeat_interval)
            await self._look_whether_drained()
            try:
                await asyncio.to_thread(self._clock.measure)
                running = set(self._runner.active)
                held = await asyncio.to_thread(self._reader.claims_of, self._worker.id)
                self._runner.lose(running.difference(held))
                unknown = {
                    key for key in held if key not in self._runner.active and not self._fetcher.holds(key[0])
                }
                twice, strangers = unknown & strangers, unknown
                if twice:
                    log.warning(
                        "jobs were claimed but their claim was not confirmed; requeueing them",
                        jobs=len(twice),
                    )
                    back = [
                        Settlement(seq, token, Verb.RELEASE, "claim not confirmed") for seq, token in twice
                    ]
                    await self._gateway.run_async(Settle(back))
            except StorageUnavailable as error:
                log.warning("could not reconcile: storage unavailable", error=str(error))

    def _say_what_is_awaited(self) -> None:
        log.warning(
            "stopping: jobs still run and may end or reach a checkpoint; a second Ctrl-C or SIGTERM interrupts them now",
            jobs=len(self._runner.active),
            at_most_seconds=self._settings.stop_grace,
        )

    async def _wind_down(self) -> None:
        self._fetcher.stop_claiming()
        self._runner.ask_all_to_stop()
        try:
            await self._gateway.run_async(DrainWorker(self._worker.id))
        except StorageUnavailable as error:
            log.warning("could not mark worker as draining: storage unavailable", error=str(error))
        notice = asyncio.get_running_loop().call_later(1.0, self._say_what_is_awaited)
        while not self._fetcher.idle and not self._hurry.is_set():  # noqa: ASYNC110 - an event would cost every job
            await asyncio.sleep(0.01)
        notice.cancel()
        if not self._fetcher.idle:
            self._runner.force_all("shutdown")
            try:
                async with asyncio.timeout(5.0):
                    while not self._fetcher.idle:  # noqa: ASYNC110 - an event would cost every job
                        await asyncio.sleep(0.01)
            except TimeoutError:
                log.error(
                    "jobs did not stop in time; requeueing them when the process has ended",
                    jobs=len(self._runner.active),
                )
                self.exit_code = self.exit_code or 1


def describe(orders: Orders, settings: Settings, types: dict[str, JobType], version: str) -> WorkerRow:
    """The row under which this process registers itself."""
    return WorkerRow(
        id=orders.worker,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=version,
        queues=settings.queues,
        types=tuple(sorted(types)),
        slots=settings.concurrency,
        name=orders.name,
    )
