"""This exists so that the web app is served the same way everywhere: bound to loopback, with limits, and ended promptly."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.settings import Settings
from holdfast.web.guard import check_bind

LAST_WORD = 10
"""Seconds that open requests have to end when the server stops."""

STALLED = 20_000
"""Milliseconds after which the kernel gives up a line whose other side takes nothing."""

SEND_BUFFER = 256 * 1024
"""Bytes that the kernel keeps of what is not yet taken: a slow reader is noticed before much is lost to it."""


class WebServer(uvicorn.Server):
    """Serves the web app until `stop()`, or SIGINT or SIGTERM when it runs in the main thread."""

    def __init__(self, app: FastAPI, settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
        """`ready` is called with the address once requests are answered. Raises ConfigurationError when the address is not
        loopback, or is taken."""
        check_bind(settings)
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio" if os.name == "nt" else "uvloop",
                http="httptools",
                ws="websockets-sansio",
                ws_max_size=64 * 1024,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=LAST_WORD,
                lifespan="on",
            )
        )
        self._app = app
        self._ready = ready
        self.socket = _bind(settings)
        self.url = _address(settings.host, self.socket.getsockname()[1])

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve in this thread, on an event loop of its own."""
        super().run(sockets or [self.socket])

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on the running event loop."""
        await super().serve(sockets or [self.socket])

    def stop(self) -> None:
        """End soon. Callable from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None and self.started:
            self._ready(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.hub.stop()  # first of all: a stream that is watched would never end by itself
        await super().shutdown(sockets)


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED)
        bound.bind((settings.host.strip("[]"), settings.port))
        bound.set_inheritable(False)
    except OSError as error:
        bound.close()
        words = f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another with HOLDFAST_PORT"
        raise ConfigurationError([Problem(("port",), words)]) from None
    return bound


def _address(host: str, port: int) -> str:
    return f"http://[{host.strip('[]')}]:{port}" if ":" in host else f"http://{host}:{port}"
