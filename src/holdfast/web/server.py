"""Runs the web app: bound to loopback by default, with limits, and stopped promptly."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from holdfast.core.settings import Settings
from holdfast.runtime.listen import address, bind
from holdfast.web.guard import check_bind
from holdfast.web.protocol import DeadlineProtocol

SHUTDOWN_TIMEOUT = 5
"""Seconds that open requests have to end when the server stops."""


MAX_CONNECTIONS = 2_000
"""Connections at once; further ones receive 503."""

RESERVED_FILES = 256
"""File descriptors that are reserved for the store and for what is not a connection."""


def _connection_limit() -> int:
    """How many connections the limit of open files allows, after it has been raised as far as needed."""
    if os.name == "nt":
        return MAX_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (
        MAX_CONNECTIONS
        if soft == resource.RLIM_INFINITY
        else min(MAX_CONNECTIONS, max(64, soft - RESERVED_FILES))
    )


class WebServer(uvicorn.Server):
    """Serves the web app until `stop()`, or SIGINT or SIGTERM when it runs in the main thread."""

    def __init__(
        self,
        app: FastAPI,
        settings: Settings,
        *,
        ready: Callable[[str], None] | None = None,
        listening: socket.socket | None = None,
    ) -> None:
        """`ready` is called with the address once requests are served; `listening` is a socket that is bound already.
        Raises ConfigurationError when the address is not loopback, or is taken."""
        check_bind(settings)
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio" if os.name == "nt" else "uvloop",
                http=DeadlineProtocol,
                ws="websockets-sansio",
                ws_max_size=64 * 1024,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                limit_concurrency=_connection_limit(),
                timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
                lifespan="on",
            )
        )
        self._app = app
        self._ready = ready
        self.socket = listening or bind(settings)
        self.url = address(settings, self.socket)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve in this thread, on an event loop of its own."""
        super().run(sockets or [self.socket])

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on the running event loop."""
        await super().serve(sockets or [self.socket])

    def stop(self) -> None:
        """Stop the server. Callable from any thread."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None and self.started:
            self._ready(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # first, because a watched stream never ends by itself
        await self._app.state.hub.stop_gracefully()
        await super().shutdown(sockets)
