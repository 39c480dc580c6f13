"""The body of a worker process: startup message, app, event loop.

In a forked one (see `forking_server`) the fork server has set up output and app already.
"""

from __future__ import annotations

import gc
import os
import select
import sys
from dataclasses import dataclass, replace
from typing import cast

from holdfast.app import Holdfast
from holdfast.context.loops import job_around
from holdfast.core.settings import Settings
from holdfast.hosting.locks import locks_of
from holdfast.hosting.opening import open_when_available
from holdfast.hosting.startup_message import keep_output_apart, read_startup_message
from holdfast.runtime.app_loader import load_app
from holdfast.runtime.logs import end_output, set_up_output
from holdfast.runtime.process_locks import HeldLock
from holdfast.version import VERSION
from holdfast.worker.event_loop import run_to_its_end
from holdfast.worker.executors.capture import capture_output
from holdfast.worker.executors.forks import mind_forks
from holdfast.worker.guarding import GuardLine
from holdfast.worker.leaving import Leaving
from holdfast.worker.process import Orders, WorkerProcess, describe
from holdfast.worker.supervisor_line import watch_supervisor


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker process keeps open as long as it runs."""

    lock: HeldLock | None
    guard: GuardLine


def _named(orders: Orders) -> Orders:
    """With a unique worker name: a replacement has the same host and number, and may even have the same pid."""
    return replace(orders, name=f"{orders.name}-{orders.worker[:4]}")


def _wait_unless_stopped(seconds: float) -> None:
    """Wait; exit when the supervisor sends anything or exits, since both mean that this process has to end."""
    readable, _, _ = select.select([sys.stdin.fileno()], [], [], seconds)
    if readable:
        raise SystemExit(1)


def _collect_less_often() -> None:
    """Exclude the objects that exist now from garbage collection, and collect after 10,000 new ones instead of 700: while
    hundreds of jobs run most of 700 objects are still needed, and examining them took 2 % of the time of a short job."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def worker_process() -> int:
    """The body of one worker process; its startup message comes on standard input (see `holdfast.worker.process`)."""
    orders = Orders(**read_startup_message())
    settings = Settings.model_validate(orders.settings)
    leaving = set_up(settings)
    held = hold(orders, settings)
    return work(orders, settings, load(orders.app, settings), held, leaving)


def set_up(settings: Settings) -> Leaving:
    """Set up output, logs and exit of a process that will run jobs, before it loads the app, which may log and print."""
    keep_output_apart()
    set_up_output(settings, job_around)
    return Leaving()


def hold(orders: Orders, settings: Settings) -> Held:
    """Open what only this process may have open; copies that a job forks from it close it."""
    lock = locks_of(settings).hold(orders.worker)
    guard = GuardLine(orders.guard)
    os.set_inheritable(guard.fd, False)
    for one in (guard, lock):
        mind_forks(None if one is None else one.close)
    return Held(lock, guard)


def load(path: str, settings: Settings) -> Holdfast:
    """Import the app. Raises what the user's module raises."""
    if settings.capture_output:
        capture_output()
    return cast(Holdfast, load_app(path))


def work(orders: Orders, settings: Settings, app: Holdfast, held: Held, leaving: Leaving) -> int:
    """Claim and run jobs until the supervisor sends stop or exits; returns the exit code."""
    orders = _named(orders)
    app.configure(settings)
    types = app.registry.matching(settings.types)
    parts = open_when_available(app, _wait_unless_stopped)
    _collect_less_often()

    async def main() -> int:
        row = describe(orders, settings, types, VERSION)
        process = WorkerProcess(
            row,
            orders.app,
            settings,
            types,
            parts.store,
            parts.gateway,
            parts.signals,
            guard=held.guard,
            hear=lambda: line.hear(),
            lock=held.lock,
        )
        line = watch_supervisor(process)
        return leaving.begin(await process.run())

    code = run_to_its_end(main())
    app.close()
    end_output()
    return code
