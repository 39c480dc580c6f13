"""The start of a worker process, with nothing but what it needs: its orders, the app, an event loop."""

from __future__ import annotations

import gc
import os
import select
import sys
from dataclasses import replace
from typing import cast

from holdfast.app import Holdfast
from holdfast.context.loops import job_around
from holdfast.core.settings import Settings
from holdfast.hosting.locks import locks_of
from holdfast.hosting.opening import open_when_it_answers
from holdfast.hosting.orders import keep_output_apart, read_orders
from holdfast.runtime.app_loader import load_app
from holdfast.runtime.logs import end_output, set_up_output
from holdfast.version import VERSION
from holdfast.worker.event_loop import run_to_its_end
from holdfast.worker.executors.capture import capture_output
from holdfast.worker.executors.forks import mind_forks
from holdfast.worker.guarding import GuardLine
from holdfast.worker.leaving import Leaving
from holdfast.worker.process import Orders, WorkerProcess, describe
from holdfast.worker.supervisor_line import watch_supervisor


def _named(orders: Orders) -> Orders:
    """With a name of this process alone: a replacement has the same host and number, and may even have the same pid."""
    return replace(orders, name=f"{orders.name}-{orders.worker[:4]}")


def _wait_unless_told_to_end(seconds: float) -> None:
    """Whatever the supervisor says meanwhile, be it by its own end, is that there is nothing to wait for."""
    heard, _, _ = select.select([sys.stdin.fileno()], [], [], seconds)
    if heard:
        raise SystemExit(1)


def _collect_less_often() -> None:
    """Leave what the start has made out of garbage collection, and collect after 10,000 new objects instead of 700: with
    hundreds of jobs in hand most of 700 objects are still needed, and looking through them was 2 % of a short job's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def worker_process() -> int:
    """The body of one worker process; its orders come on standard input (see `holdfast.worker.process`)."""
    orders = _named(Orders(**read_orders()))
    keep_output_apart()
    settings = Settings.model_validate(orders.settings)
    set_up_output(settings, job_around)
    leaving = Leaving()
    lock = locks_of(settings).hold(orders.worker)
    guard = GuardLine(orders.guard)
    os.set_inheritable(guard.fd, False)
    for held in (guard, lock):
        mind_forks(None if held is None else held.close)
    if settings.capture_output:
        capture_output()
    app = cast(Holdfast, load_app(orders.app))
    app.configure(settings)
    types = app.registry.matching(settings.types)
    parts = open_when_it_answers(app, _wait_unless_told_to_end)
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
            guard=guard,
            hear=lambda: line.hear(),
            lock=lock,
        )
        line = watch_supervisor(process)
        return leaving.begin(await process.run())

    code = run_to_its_end(main())
    app.close()
    end_output()
    return code
