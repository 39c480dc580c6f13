"""HEAD for every address that takes GET, and the Allow header of a refused method."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Those that an address may take; HEAD is allowed where GET is."""


class HeadRequests:
    """Responds to HEAD with the status and headers of GET. A stream ends with its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        responded = asyncio.Event()

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})
                responded.set()

        async def receive_until_responded() -> Message:
            message, end = asyncio.ensure_future(receive()), asyncio.ensure_future(responded.wait())
            try:
                await asyncio.wait((message, end), return_when=asyncio.FIRST_COMPLETED)
                return {"type": "http.disconnect"} if responded.is_set() else await message
            finally:
                message.cancel()
                end.cancel()

        await self._app({**scope, "method": "GET"}, receive_until_responded, send_head)


def allowed_methods(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """Every method that the address of `scope` takes, as the value of an Allow header."""
    taken = [method for method in METHODS if _takes(routes, {**scope, "method": method})]
    return ", ".join(sorted([*taken, "HEAD"] if "GET" in taken else taken))


def _takes(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)
