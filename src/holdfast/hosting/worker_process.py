"""This exists so that a worker process is started with nothing but what it needs: its orders, the app, an event loop."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import cast

import uvloop

from holdfast.app import Holdfast
from holdfast.core.settings import Settings
from holdfast.hosting.orders import keep_output_apart, read_orders
from holdfast.runtime.logs import end_output, set_up_output
from holdfast.runtime.plugins import load_app
from holdfast.version import VERSION
from holdfast.worker.process import Orders, WorkerProcess, describe, watch_orders


def _named(orders: Orders) -> Orders:
    """With a name of this process alone: a replacement has the same host and number, and may even have the same pid."""
    return replace(orders, name=f"{orders.name}-{orders.worker[:4]}")


def worker_process() -> int:
    """The body of one worker process; its orders come on standard input (see `holdfast.worker.process`)."""
    orders = _named(Orders(**read_orders()))
    keep_output_apart()
    settings = Settings.model_validate(orders.settings)
    set_up_output(settings)
    app = cast(Holdfast, load_app(orders.app))
    app.configure(settings)
    types = app.registry.matching(settings.types)
    parts = app.open()

    async def main() -> int:
        row = describe(orders, settings, types, VERSION)
        process = WorkerProcess(row, orders.app, settings, types, parts.store, parts.gateway, parts.signals)
        watch_orders(process, asyncio.get_running_loop())
        return await process.run()

    code = uvloop.run(main())
    app.close()
    # threads of jobs that did not let go must not keep the process: what they hold is given back by the supervisor
    end_output()
    os._exit(code)
