"""Runs the jobs of a user's test in one process: an app with its own store, and a worker."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType

from holdfast.app import Holdfast, Parts
from holdfast.core.commands import Action
from holdfast.core.query import Query, parse
from holdfast.core.records import JobRecord
from holdfast.core.settings import Settings
from holdfast.core.states import State
from holdfast.runtime.clock import from_us, new_id, since_boot
from holdfast.storage.writes import Command, Heartbeat
from holdfast.testing.factories import worker_row
from holdfast.worker.process import WorkerProcess

LOOK = 0.005
PAGE = 500


class Harness:
    """An app of yours on a temporary store, for the length of a test.

        with Harness(app, tmp_path) as harness:
            handle = import_customers.enqueue(path="a.csv")
            harness.drain()
            assert handle.refresh().state == "succeeded"

    `settings` are as in `holdfast.toml`. `target` names the app as "module:app"; only jobs that run in a child process
    need it. Nothing is read from the environment. At the end the app is closed, and has the settings it had before.
    """

    def __init__(self, app: Holdfast, folder: Path, *, target: str = "", **settings: object) -> None:
        self.app = app
        self._target = target
        chosen: dict[str, object] = {
            "data_dir": str(folder),
            "durability": "normal",
            "poll_interval": 0.05,
            **settings,
        }
        self._settings = Settings.model_validate(chosen)
        self._before: Settings | None = None

    def __enter__(self) -> Harness:
        self._before = self.app.configure(self._settings)
        try:
            self.app.open()
        except BaseException:
            self.app.configure(self._before)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.app.close()
        self.app.configure(self._before)  # the folder belongs to the test, which may remove it

    def drain(self, *, timeout: float = 30.0, delayed: bool = True) -> dict[str, int]:
        """Run jobs until none is enqueued or being processed; returns the number of jobs in each state.

        `delayed`: those that wait for their time, also between two attempts, are run at once, so that a test of retries
        does not wait. Raises TimeoutError after `timeout` seconds; the jobs that still run are then interrupted and
        requeued.
        """
        return asyncio.run(self._drain(timeout, delayed))

    async def _drain(self, timeout: float, delayed: bool) -> dict[str, int]:
        parts = self.app.open()
        types = self.app.registry.matching(self._settings.types)
        row = worker_row(new_id(), types=tuple(types), slots=self._settings.concurrency)
        process = WorkerProcess(
            row,
            self._target,
            self._settings,
            types,
            parts.store,
            parts.gateway,
            parts.signals,
            hear=lambda: process.confirm(
                since_boot()
            ),  # no other worker takes its jobs, however long one blocks this process
        )
        running = asyncio.create_task(process.run())
        deadline, beat_at = time.monotonic() + timeout, 0.0
        try:
            while True:
                if running.done():
                    raise RuntimeError(f"the worker ended with exit code {running.result()}")
                if delayed:
                    self._bring_forward(parts)
                counted = parts.store.states()
                if (
                    not counted["enqueued"]
                    and not counted["processing"]
                    and not (delayed and counted["scheduled"])
                ):
                    return counted
                now = time.monotonic()
                if now > deadline:
                    process.stop()
                    raise TimeoutError(f"not all jobs ended within {timeout:g} s: {counted}")
                if now >= beat_at:
                    await parts.gateway.run_async(Heartbeat([row.id], lease=self._settings.lease))
                    beat_at = now + self._settings.heartbeat_interval
                await asyncio.sleep(LOOK)
        finally:
            process.stop()
            await running

    def _bring_forward(self, parts: Parts) -> None:
        for job in self._scheduled(parts):
            parts.gateway.run(Command(job.id, Action.RETRY, actor=None, reason="brought forward by a test"))

    def _scheduled(self, parts: Parts) -> list[JobRecord]:
        if not parts.store.states()[State.SCHEDULED]:
            return []
        waiting: Query = parse("state:scheduled", now=from_us(parts.store.now()))
        return parts.store.search(waiting, sort="run_at", limit=PAGE, cursor=None).items
