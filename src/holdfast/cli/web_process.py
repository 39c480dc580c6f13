"""The web server as a process: a child of `up`, or in the foreground."""

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
from holdfast.core.settings import Settings
from holdfast.hosting.child import receive_startup_message
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
    """The web server that `hosting.WebSupervisor` keeps running; settings and stop arrive on standard input."""
    received = receive_startup_message()
    if received is None:
        return 0  # the parent aborted its start and has reported why
    message, listening = received
    keep_output_apart()
    settings = Settings.model_validate(message["settings"])
    set_up_output(settings)
    with listening:
        return serve(Holdfast(settings=settings), listening=listening)


def web_app(app: Holdfast) -> FastAPI:
    """Pages, REST and streams over the store of an app."""
    parts = app.open()
    storage = kind_of(database_url(app.settings)).label
    return create_web_app(parts.client, app.settings, version=VERSION, storage=storage)


def described(app: Holdfast) -> dict[str, Any]:
    """The OpenAPI document of that web app. The store is constructed and never opened."""
    store = make_store(app.settings)
    signals = make_signals(app.settings, store)
    client = Client(app.settings, store, Gateway(store, signals.notify), signals, app.registry)
    return create_web_app(client, app.settings, version=VERSION).openapi()


def serve(
    app: Holdfast, *, listening: socket.socket | None = None, ready: Callable[[str], None] | None = None
) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit code. `listening`: the socket of the parent, whose end stops this
    process too."""
    server = _Server(web_app(app), app.settings, ready=ready, listening=listening)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, server.stop)
        if listening is not None:
            _watch_supervisor(loop, server)
        await server.serve()

    uvloop.run(main())
    app.close()
    return 0 if server.started else 1


class _Server(WebServer):
    """The server without its own signal handlers, which would re-raise the signal after a graceful stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    def stop(self) -> None:
        """First call: stop gracefully. Second call: do not wait for open requests."""
        self.force_exit = self.should_exit
        super().stop()


def _watch_supervisor(loop: asyncio.AbstractEventLoop, server: _Server) -> None:
    def on_input() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            log.warning("supervisor exited; stopping web server")
            server.stop()

    loop.add_reader(sys.stdin.fileno(), on_input)
