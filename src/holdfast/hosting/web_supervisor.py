"""Keeps the web server running as a process of its own, so that no fault in it can stop a heartbeat.

When it dies another one takes over the same socket, which stays open here: connections in between wait, and are not refused.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time

import structlog

from holdfast.core.settings import Settings
from holdfast.hosting.child import Child

WEB_PROCESS = "web-process"
"""The name of the process on its command line."""

QUICK_DEATH = 5.0
MAX_PAUSE = 10.0
STOP_TIMEOUT = 15.0
"""Seconds for the server to end its open connections before it is killed."""

log = structlog.get_logger("holdfast.web")


class WebSupervisor:
    """Keeps one web server process running. The caller owns the socket and closes it."""

    def __init__(self, settings: Settings, listening: socket.socket) -> None:
        self._settings = settings
        self._listening = listening
        self._child: Child | None = None
        self._started = 0.0
        self._stopping = False

    async def run(self) -> None:
        """Start the process, and replace it each time it dies, until `stop`."""
        pause = 0.0
        while not self._stopping:
            child = self._child = self._child or self._start()
            code = await asyncio.to_thread(child.process.wait)
            child.close()
            self._child = None
            if self._stopping:
                return
            quick = time.monotonic() - self._started < QUICK_DEATH
            pause = min(MAX_PAUSE, max(0.5, pause * 2)) if quick else 0.0
            log.warning("web server ended; replacing it", exit=code, after=round(pause, 1))
            await asyncio.sleep(pause)

    async def until_ready(self) -> None:
        """Wait until the web server reports that it is ready."""
        while not await self._is_ready():  # noqa: ASYNC110 - another process, which sets no event
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End the process: gracefully, then by force. Idempotent."""
        self._stopping = True
        if self._child is None:
            return
        process = self._child.process
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            log.warning("web server did not stop in time; killing it")
            process.kill()
            await asyncio.to_thread(process.wait)

    def _start(self) -> Child:
        child = Child(WEB_PROCESS)
        self._started = time.monotonic()
        child.send({"settings": self._settings.model_dump()}, self._listening)
        return child

    async def _is_ready(self) -> bool:
        """Asks over the socket itself: the connection waits until the process accepts it, so one request is enough."""
        host, port = self._listening.getsockname()[:2]
        try:
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                status = await reader.readline()
            finally:
                writer.close()
        except OSError:
            return False
        return b" 200 " in status
