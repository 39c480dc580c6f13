"""One client of the live hub: a bounded buffer between what has changed and what is sent."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from holdfast.web.live.tick import Tick

PING_INTERVAL = 15.0
"""Seconds without a message after which a ping is sent, so that both sides know that the connection is alive."""


class Message(NamedTuple):
    """One event for one watcher. `data` is JSON text without line breaks."""

    event: str
    seq: int
    data: str


def message(event: str, seq: int, data: Any) -> Message:
    """An event with its data as JSON."""
    return Message(event, seq, json.dumps(data, ensure_ascii=False, separators=(",", ":")))


class Watcher(ABC):
    """Receives changes from the hub and turns them into messages.

    `start` and `update` run in the hub's thread: they query, draw, and keep what is new. `deliver` and `flush` run on the
    event loop. All of it is bounded: what is not fetched in time is merged, and at last dropped with a notice.
    """

    ids: frozenset[str] = frozenset()
    """Jobs whose changes it receives."""

    needs_events = False
    """Whether it needs the events themselves."""

    def __init__(self) -> None:
        self._ready = asyncio.Event()
        self._closing = False
        self.broken = False
        self.ended = False
        self.seq = 0
        """Everything up to this event is in its outbox, or has been sent."""
        self.taken = 0
        """Everything up to this event was taken from a tick."""

    @abstractmethod
    def start(self, tick: Tick) -> None:
        """Take what the watcher must know at first; later updates begin after `tick.seq`."""

    @abstractmethod
    def update(self, tick: Tick) -> None:
        """Take what is new in this tick."""

    @abstractmethod
    def deliver(self) -> bool:
        """Move (a part of) what was taken into the outbox. Returns whether there is more."""

    @abstractmethod
    def flush(self) -> list[Message]:
        """Empty the outbox."""

    def due(self) -> float:
        """When (by the monotonic clock) it needs an update although nothing has changed."""
        return float("inf")

    def wake(self) -> None:
        """Report that there is a message to send."""
        self._ready.set()

    def close(self) -> None:
        """End the stream after what is in the outbox."""
        self._closing = True
        self._ready.set()

    async def next(self) -> list[Message]:
        """Wait for messages to send; [] after PING_INTERVAL without any. When `ended` is set, these were the last."""
        try:
            async with asyncio.timeout(PING_INTERVAL):
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
