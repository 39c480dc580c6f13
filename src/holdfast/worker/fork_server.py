"""The supervisor's side of a fork server: a process that has loaded the app and opened nothing, and forks worker processes.

A worker is forked by a process in between that ends at once, and becomes a child of the supervisor, which adopts it
(`Adoption`). So the supervisor waits for it, sees it stop and notices its death, as with any child; and a fork server that
is killed takes nothing with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from typing import Any, Protocol

MAX_MESSAGE = 1024 * 1024

_FORK_TIMEOUT = 30.0
"""Seconds for a fork, which takes milliseconds."""


class Stale(Exception):
    """The files of the app are not those that the server has loaded."""


class Unfit(Exception):
    """Copies of a process that has loaded this app would not be what new processes are. `may_change`: it may be otherwise
    the next time."""

    def __init__(self, reason: str, *, may_change: bool) -> None:
        super().__init__(reason)
        self.may_change = may_change


def can_fork() -> bool:
    """Whether this system has what a fork server needs."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel, or a sandbox that allows no such call
        return False
    return True


def has_one_thread() -> bool:
    """Whether this process has no thread but the one that calls, neither of Python nor of a library."""
    return threading.active_count() == 1 and len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - names are all


class ServerProcess(Protocol):
    """What is needed of the process of a fork server."""

    def kill(self) -> None: ...

    def wait(self) -> int: ...


class ForkServer:
    """One process of a fork server, and the socket to it. Raises OSError when it has ended."""

    def __init__(self, process: ServerProcess, line: socket.socket) -> None:
        self._process = process
        self._line = line
        self._line.setblocking(False)
        self._environment = dict(os.environ)
        self._is_asked = self._is_ended = False

    @property
    def has_changed(self) -> bool:
        """The environment is not that in which it was started."""
        return self._environment != os.environ

    async def load(self, app: str, settings: dict[str, Any]) -> None:
        """Have it load the app, however long that takes. Raises Unfit."""
        self._line.send(json.dumps({"app": app, "settings": settings}).encode())
        await self._answer()

    async def fork(self, guard: int) -> tuple[int, int, asyncio.WriteTransport]:
        """A worker process: its pid, a pidfd of it, and its input, where its orders are expected. It has `guard` open. To be
        called while this process adopts. Raises Stale or Unfit."""
        reading, writing = os.pipe()
        try:
            request = json.dumps({"supervisor": os.getpid()}).encode()
            socket.send_fds(self._line, [request], [reading, guard])
            async with asyncio.timeout(_FORK_TIMEOUT):
                answer = await self._answer()
            if "stale" in answer:
                raise Stale
            handle = os.pidfd_open(answer["pid"])
        except BaseException:
            os.close(writing)  # which a worker that was forked all the same takes for its end
            raise
        finally:
            os.close(reading)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(writing, "wb", 0))
        return answer["pid"], handle, transport

    def end(self) -> None:
        """End it. Its workers live on."""
        self._is_ended = True
        self._process.kill()
        self._process.wait()
        if not self._is_asked:
            self._line.close()

    async def _answer(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        self._is_asked = True
        loop.add_reader(self._line, heard.set)
        try:
            await heard.wait()
            data = self._line.recv(MAX_MESSAGE)
        finally:
            loop.remove_reader(self._line)
            self._is_asked = False
            if self._is_ended:
                self._line.close()
        if not data:
            raise ConnectionResetError
        answer = json.loads(data)
        if "unfit" in answer:
            raise Unfit(answer["unfit"], may_change=answer["may_change"])
        return answer
