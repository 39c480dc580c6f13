"""A reader of server-sent events that runs in a thread and keeps what it has heard."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import httpx

from tests.unit.web.support import until


class Event(NamedTuple):
    """One event as it came."""

    name: str
    seq: int | None
    data: Any


class Ear:
    """What one connection has heard."""

    def __init__(self, url: str, params: dict[str, Any], headers: dict[str, str]) -> None:
        self.events: list[Event] = []
        self.last_id = 0
        self.pings = 0
        self.status = 0
        self.headers: httpx.Headers = httpx.Headers()
        self.ended = False
        self._line: socket.socket
        self._leave = threading.Event()
        self._client = httpx.Client(timeout=60)
        self._thread = threading.Thread(target=self._listen, args=(url, params, headers), daemon=True)
        self._thread.start()
        until(lambda: self.status)

    def _listen(self, url: str, params: dict[str, Any], headers: dict[str, str]) -> None:
        try:
            with self._client.stream("GET", url, params=params, headers=headers) as answer:
                self.headers = answer.headers
                self._line = answer.extensions["network_stream"].get_extra_info("socket")
                self.status = answer.status_code
                self._read(answer)
        except httpx.HTTPError:
            assert self._leave.is_set() or self.status
        finally:
            self.ended = True

    def _read(self, answer: httpx.Response) -> None:
        name, data = "message", ""
        for line in answer.iter_lines():
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data = line[5:].strip()
            elif line.startswith("id:"):
                self.last_id = int(line[3:])
            elif line.startswith(": ping"):
                self.pings += 1
            elif not line:
                if data:
                    self.events.append(Event(name, self.last_id, json.loads(data)))
                name, data = "message", ""
            if self._leave.is_set():
                return

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]

    def leave(self) -> None:
        self._leave.set()
        if not self.ended:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._client.close()


@contextmanager
def listening(url: str, params: dict[str, Any] | None = None, **headers: str) -> Iterator[Ear]:
    """An ear at a stream, which is open when the block begins."""
    ear = Ear(url, params or {}, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        yield ear
    finally:
        ear.leave()
