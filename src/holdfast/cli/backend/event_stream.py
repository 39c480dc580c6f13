"""Change signals from the event stream of a server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Any

import httpx

READ_TIMEOUT = 40.0
"""Seconds without a line (the server sends pings) after which the connection counts as broken."""

CONNECT_TIMEOUT = 10.0
FIRST_PAUSE = 0.25

JOIN_TIMEOUT = 2.0
"""Seconds to wait for the thread to end. It is a daemon: a connection attempt does not delay the exit of the process."""

MAX_PAUSE = 5.0


class EventStreamSignal:
    """Set at each event of a server's stream. A broken stream sets nothing and reconnects by itself; callers poll in the
    meantime."""

    def __init__(self, http: httpx.Client, path: str, parameters: Mapping[str, str]) -> None:
        self._http = http
        self._path = path
        self._parameters = dict(parameters)
        self._event = threading.Event()
        self._closed = threading.Event()
        self._stream: Any = None
        self._thread = threading.Thread(target=self._run, name="holdfast-stream", daemon=True)
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Block until an event (True) or for `timeout` seconds (False)."""
        changed = self._event.wait(max(0.0, timeout))
        self._event.clear()
        return changed

    def close(self) -> None:
        """Stop listening and release the connection."""
        self._closed.set()
        stream = self._stream
        if stream is not None:
            with contextlib.suppress(OSError):  # the server may have closed it already
                # wakes the thread, which then closes the stream
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._thread.join(JOIN_TIMEOUT)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            try:
                self._listen()
                pause = FIRST_PAUSE
            except httpx.HTTPError:
                pause = min(MAX_PAUSE, pause * 2)
            except RuntimeError:
                return  # the client was closed during the connection attempt
            self._closed.wait(pause)

    def _listen(self) -> None:
        timeout = httpx.Timeout(CONNECT_TIMEOUT, read=READ_TIMEOUT)
        headers = {"Accept": "text/event-stream"}
        with self._http.stream(
            "GET", self._path, params=self._parameters, headers=headers, timeout=timeout
        ) as response:
            response.raise_for_status()
            self._stream = response.extensions["network_stream"]
            # after the assignment above: either this check sees `close`, or `close` sees the stream
            if self._closed.is_set():
                return
            self._event.set()  # for changes that were missed before the stream began
            for line in response.iter_lines():
                if line.startswith("data:"):
                    self._event.set()
