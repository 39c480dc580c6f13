"""This exists so that a terminal hears at once what changes on a server, through the same stream as every other client."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Any

import httpx

SILENCE = 40.0
"""Seconds without a line, the server's pings included, after which the connection is taken for broken."""

CONNECTING = 10.0
FIRST_PAUSE = 0.25

PARTING = 2.0
"""Seconds that the thread has to end; it is a daemon, so that nothing waits for a connection that is just being made."""

MAX_PAUSE = 5.0


class EventStreamSignal:
    """Rings at each event of a server's stream. While the stream is broken it does not ring, and connects again by itself:
    whoever waits for it looks from time to time anyway."""

    def __init__(self, http: httpx.Client, path: str, parameters: Mapping[str, str]) -> None:
        self._http = http
        self._path = path
        self._parameters = dict(parameters)
        self._rung = threading.Event()
        self._closed = threading.Event()
        self._stream: Any = None
        self._thread = threading.Thread(target=self._run, name="holdfast-stream", daemon=True)
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Block until it rings (True) or `timeout` seconds have passed (False)."""
        rung = self._rung.wait(max(0.0, timeout))
        self._rung.clear()
        return rung

    def close(self) -> None:
        """Hear no more; gives back the connection."""
        self._closed.set()
        stream = self._stream
        if stream is not None:
            with contextlib.suppress(OSError):  # the other side may have hung up already
                # wakes the thread, which then closes it
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._thread.join(PARTING)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            try:
                self._listen()
                pause = FIRST_PAUSE
            except httpx.HTTPError:
                pause = min(MAX_PAUSE, pause * 2)
            except RuntimeError:
                return  # the client was closed while we connected
            self._closed.wait(pause)

    def _listen(self) -> None:
        timeout = httpx.Timeout(CONNECTING, read=SILENCE)
        headers = {"Accept": "text/event-stream"}
        with self._http.stream(
            "GET", self._path, params=self._parameters, headers=headers, timeout=timeout
        ) as answer:
            answer.raise_for_status()
            self._stream = answer.extensions["network_stream"]
            # after the line above, so that either we see it or `close` sees the stream
            if self._closed.is_set():
                return
            self._rung.set()  # whatever was missed before the stream began
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    self._rung.set()
