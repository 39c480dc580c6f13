"""Server-sent events for one watcher."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise, starmap
from typing import Any

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdfast.web.live import transport
from holdfast.web.live.hub import LiveHub
from holdfast.web.live.transport import until_either_ends
from holdfast.web.live.watcher import Message, Watcher


def comment(watcher: Watcher) -> str:
    """A ping that programs do not see, except that it moves the event to resume from."""
    return f": ping\nid: {watcher.seq}\n\n"


def ping_event(watcher: Watcher) -> str:
    """A ping as an event, for clients that measure how long they have received nothing."""
    return f"event: ping\nid: {watcher.seq}\ndata: {{}}\n\n"


class EventStream(Response):
    """Server-sent events for one watcher, until the client leaves, stops reading, or the server stops."""

    media_type = "text/event-stream"

    def __init__(self, hub: LiveHub, watcher: Watcher, *, ping: Callable[[Watcher], str] = comment) -> None:
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._hub = hub
        self._watcher = watcher
        self._ping = ping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._hub.watching(self._watcher):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send(_body(": open\nretry: 1000\n\n"))
            await until_either_ends(self._write(send), _disconnected(receive))

    async def _write(self, send: Send) -> None:
        while not self._watcher.ended:
            messages = await self._watcher.next()
            text = "".join(starmap(_event, pairwise([*messages, None])))
            async with asyncio.timeout(transport.WRITE_TIMEOUT):
                await send(_body(text if messages else self._ping(self._watcher)))
        await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(one: Message, following: Message | None) -> str:
    """The event as it is sent. Of several messages up to the same event only the last one carries its id: a client that is
    cut off between them must not resume after what it has not received."""
    place = "" if following is not None and following.seq == one.seq else f"id: {one.seq}\n"
    return f"event: {one.event}\n{place}data: {one.data}\n\n"


def _body(text: str) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}
