"""One client's stream: a bounded buffer, and a disconnect for a client that stops reading."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from itertools import pairwise, starmap
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

if TYPE_CHECKING:
    from holdfast.web.live import LiveHub, Tick

PING = 15.0
"""Seconds without a message after which something is sent, so that both sides know the line is alive."""

BLOCKED = 10.0
"""Seconds that a write may wait for the other side."""


class Message(NamedTuple):
    """One event on its way to one watcher. `data` is JSON text without line breaks."""

    event: str
    seq: int
    data: str


def message(event: str, seq: int, data: Any) -> Message:
    """An event with its data as JSON."""
    return Message(event, seq, json.dumps(data, ensure_ascii=False, separators=(",", ":")))


class Watcher(ABC):
    """Somebody who wants to be told what changes.

    `begin` and `look` run in the hub's thread: they ask, draw, and keep what is new. `deliver` and `flush` run on the event
    loop. All of it is bounded: what is not fetched in time is merged, and at last dropped with a notice.
    """

    ids: frozenset[str] = frozenset()
    """Jobs whose changes it is told of."""

    feeds = False
    """Whether it needs the events themselves."""

    def __init__(self) -> None:
        self._ready = asyncio.Event()
        self._closing = False
        self.broken = False
        self.ended = False
        self.seq = 0
        """Everything up to this event has been told."""
        self.told = 0
        """The same, once all that was taken is in the box."""

    @abstractmethod
    def begin(self, tick: Tick) -> None:
        """What the watcher must know when it comes; `tick.seq` is where it stands from now on."""

    @abstractmethod
    def look(self, tick: Tick) -> None:
        """Take what is new in this tick."""

    @abstractmethod
    def deliver(self) -> bool:
        """Put (a part of) what was taken into the box; whether there is more."""

    @abstractmethod
    def flush(self) -> list[Message]:
        """Empty the box."""

    def due(self) -> float:
        """When (by the monotonic clock) it wants a look although nothing has changed."""
        return float("inf")

    def wake(self) -> None:
        """There is something to send."""
        self._ready.set()

    def close(self) -> None:
        """Send what there is, say goodbye, end."""
        self._closing = True
        self._ready.set()

    async def next(self) -> list[Message]:
        """What is to be sent now; [] after PING seconds of silence. `ended` afterwards: these were the last."""
        try:
            async with asyncio.timeout(PING):
                await self._ready.wait()
        except TimeoutError:
            if not self._ready.is_set():
                return []
        self._ready.clear()
        messages = self.flush()
        if self._closing:
            self.ended = True
            messages.append(message("bye", self.seq, {"retry": 5_000 if self.broken else 1_000}))
        return messages


def comment(watcher: Watcher) -> str:
    """A ping that programs do not see, except that it moves the place to resume from."""
    return f": ping\nid: {watcher.seq}\n\n"


def ping_event(watcher: Watcher) -> str:
    """A ping as an event, for readers that want to know how old the silence is."""
    return f"event: ping\nid: {watcher.seq}\ndata: {{}}\n\n"


class EventStream(Response):
    """Server-sent events for one watcher, until it leaves, stands still, or the server stops."""

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
            await either(self._write(send), _left(receive))

    async def _write(self, send: Send) -> None:
        while not self._watcher.ended:
            messages = await self._watcher.next()
            text = "".join(starmap(_event, pairwise([*messages, None])))
            async with asyncio.timeout(BLOCKED):
                await send(_body(text if messages else self._ping(self._watcher)))
        await send({"type": "http.response.body", "body": b""})


async def either(writing: Awaitable[None], leaving: Awaitable[None]) -> None:
    """Run both until one ends; a side that has stood still for too long counts as gone."""
    tasks = [asyncio.ensure_future(writing), asyncio.ensure_future(leaving)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with contextlib.suppress(TimeoutError, OSError, WebSocketDisconnect):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(one: Message, following: Message | None) -> str:
    """On the wire. Where several messages tell of the same events, the last one says so: whoever was cut off between them
    must not resume behind what he has not got."""
    place = "" if following is not None and following.seq == one.seq else f"id: {one.seq}\n"
    return f"event: {one.event}\n{place}data: {one.data}\n\n"


def _body(text: str) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}
