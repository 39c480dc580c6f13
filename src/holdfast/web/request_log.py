"""One log line for each request of the web server, where the setting `log_requests` asks for it."""

from __future__ import annotations

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("holdfast.web")


class RequestLog:
    """Outside the guard, so refused requests are logged too. The query is left out, because it may contain names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        method, path = scope.get("method", "WEBSOCKET"), scope["path"]
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            log.info(
                "request",
                method=method,
                path=path[:200],
                status=status,
                seconds=round(time.perf_counter() - begun, 4),
                client=(scope.get("client") or ("",))[0],
            )
