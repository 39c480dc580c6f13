"""This exists so that an app becomes running processes: a supervisor with its workers and duties, a web server, or all of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import cast

import structlog
import uvloop

from holdfast.app import Holdfast, Parts
from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.settings import Settings
from holdfast.runtime.logs import set_up_logs
from holdfast.runtime.plugins import load_app
from holdfast.runtime.service import DutyLoop
from holdfast.scheduler.duties import all_duties
from holdfast.version import VERSION
from holdfast.worker.process import Orders, WorkerProcess, describe, watch_orders
from holdfast.worker.supervisor import Supervisor

log = structlog.get_logger("holdfast")

SELF = (sys.executable, "-m", "holdfast")


def worker_process() -> int:
    """The body of one worker process; its orders come on standard input (see `holdfast.worker.process`)."""
    orders = Orders(**json.loads(_first_line(sys.stdin.fileno())))
    settings = Settings.model_validate(orders.settings)
    set_up_logs(settings)
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
    sys.stderr.flush()
    os._exit(code)


def _first_line(fd: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(fd, 1)
        if not piece:
            raise ConfigurationError([Problem(("orders",), "this command is started by a supervisor, not by hand")])
        line += piece
    return line


def run_workers(app: Holdfast, path: str, *, web: Callable[[], Awaitable[int]] | None = None) -> int:
    """Run a supervisor with its worker processes and the duties of the clock until SIGTERM or SIGINT; answers the exit code.

    `path` is what the worker processes import. `web` runs beside it, in this event loop.
    """
    settings = app.settings
    parts = app.open()
    count = os.cpu_count() or 1 if settings.workers == -1 else settings.workers
    supervisor = Supervisor(
        path,
        settings,
        parts.gateway,
        parts.store,
        count=count,
        name=socket.gethostname(),
        command=(*SELF, "worker-process"),
    )

    async def main() -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, supervisor.stop)
        duties = start_duties(parts, settings)
        beside = None if web is None else asyncio.ensure_future(web())
        await supervisor.run()
        for duty in duties:
            await duty.stop()
        return 0 if beside is None else await beside

    code = uvloop.run(main())
    app.close()
    return code


def start_duties(parts: Parts, settings: Settings) -> list[DutyLoop]:
    """Begin everything that happens by the clock, on the running event loop."""
    loops = [
        DutyLoop(duty, parts.signals) for duty in all_duties(parts.gateway, parts.store, lease=settings.lease)
    ]
    for duty in loops:
        duty.start()
    return loops
