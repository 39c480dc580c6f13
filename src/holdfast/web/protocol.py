"""HTTP connections with deadlines: an unfinished request does not hold one for ever."""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT = 15.0
"""Seconds from the first byte of a request, or from a new connection, to the end of its head."""

BODY_TIMEOUT = 120.0
"""Seconds from the end of the head to the end of the body."""

MAX_HALF_OPEN = 256
"""Connections that may wait for the head of a request. Another one closes the one that has waited longest."""

_TIMED_OUT = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain\r\nContent-Length: 34\r\nConnection: close\r\n\r\n"
    b"The request did not come in time.\n"
)


class DeadlineProtocol(HttpToolsProtocol):
    """A connection of the web server."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: TimerHandle | None = None
        # one for all connections of the server, oldest first; a dict keeps the order
        self._half_open: dict[DeadlineProtocol, None] = self.config.__dict__.setdefault("half_open", {})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(BODY_TIMEOUT, self.transport.abort)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade()

    def _await_head(self) -> None:
        self._half_open[self] = None
        self._deadline = self.loop.call_later(HEAD_TIMEOUT, self._give_up)
        if len(self._half_open) > MAX_HALF_OPEN:
            oldest = next(iter(self._half_open))
            oldest._stop_waiting()
            oldest.transport.abort()

    def _give_up(self) -> None:
        self._stop_waiting()
        self.transport.write(_TIMED_OUT)
        self.transport.close()

    def _stop_waiting(self) -> None:
        self._half_open.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
