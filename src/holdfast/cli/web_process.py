"""This exists so that the web server runs as a process: one that `up` keeps, or the one in front of a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Generator
from typing import Any

import structlog
import uvloop
from fastapi import FastAPI

from holdfast.app import Holdfast, make_signals, make_store
from holdfast.client.client import Client
from holdfast.client.overview import Overview
from holdfast.core.settings import Settings
from holdfast.hosting.child import take_orders
from holdfast.hosting.run import STOP_SIGNALS
from holdfast.hosting.startup_message import keep_output_apart
from holdfast.runtime.configure import database_url
from holdfast.runtime.logs import set_up_output
from holdfast.storage.backends import kind_of
from holdfast.storage.gateway import Gateway
from holdfast.version import VERSION
from holdfast.web.app import create_web_app
from holdfast.web.server import WebServer

log = structlog.get_logger("holdfast.web")


def web_process() -> int:
    """The body of the web server that `hosting.WebSupervisor` keeps; its orders and its end come on standard input."""
    taken = take_orders()
    if taken is None:
        return 0  # whoever started us ahead of time had to give up, and has said why
    orders, listening = taken
    keep_output_apart()
    settings = Settings.model_validate(orders["settings"])
    set_up_output(settings)
    with listening:
        return serve(Holdfast(settings=settings), listening=listening)


def web_app(app: Holdfast) -> FastAPI:
    """Pages, REST and streams over the store of an app."""
    parts = app.open()
    storage = kind_of(database_url(app.settings)).label
    return create_web_app(parts.client, parts.overview, app.settings, version=VERSION, storage=storage)


def described(app: Holdfast) -> dict[str, Any]:
    """The OpenAPI document of that web app. The store is made for it, and never opened."""
    store = make_store(app.settings)
    signals = make_signals(app.settings, store)
    client = Client(app.settings, store, Gateway(store, signals.notify), signals, app.registry)
    return create_web_app(client, Overview(client), app.settings, version=VERSION).openapi()


def serve(
    app: Holdfast, *, listening: socket.socket | None = None, ready: Callable[[str], None] | None = None
) -> int:
    """Serve until SIGTERM or Ctrl-C; answers the exit code. `listening`: the socket of a keeper, whose end is ours too."""
    server = _Server(web_app(app), app.settings, ready=ready, listening=listening)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, server.stop)
        if listening is not None:
            _watch_keeper(loop, server)
        await server.serve()

    uvloop.run(main())
    app.close()
    return 0 if server.started else 1


class _Server(WebServer):
    """The server without signal handlers of its own: they would end the process by the signal after stopping in order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    def stop(self) -> None:
        """First call: in order. Second call: without waiting for open requests."""
        self.force_exit = self.should_exit
        super().stop()


def _watch_keeper(loop: asyncio.AbstractEventLoop, server: _Server) -> None:
    def on_input() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            log.warning("the supervisor is gone, the web server stops")
            server.stop()

    loop.add_reader(sys.stdin.fileno(), on_input)
