"""What a worker process hears of its supervisor: signals, lines on standard input, and its end."""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import signal
import sys
from typing import Protocol

import structlog

from holdfast.worker.parent_death import send_at_parents_death

HURRY = b"hurry\n"
"""A line to a worker: do not wait for your jobs."""

log = structlog.get_logger("holdfast.worker")


class Supervised(Protocol):
    """What a supervisor asks of a worker process."""

    def stop(self) -> None:
        """Stop gracefully."""
        ...

    def hurry(self) -> None:
        """Stop without waiting."""
        ...

    def confirm(self, begun: float) -> None:
        """A heartbeat that was begun at that time is confirmed."""
        ...

    def fail(self, exit_code: int) -> None:
        """Stop at once, with this exit code."""
        ...


def heartbeat_line(begun: float) -> bytes:
    """The line to a worker: a heartbeat for it, begun at that time, is confirmed."""
    return f"heartbeat {begun!r}\n".encode()


class SupervisorLine:
    """Standard input of a worker process. Its end means that the supervisor is gone: stop at once.

    SIGTERM alone never hurries, because who stops a whole group of processes sends it to us and to the supervisor."""

    def __init__(self, worker: Supervised, fd: int) -> None:
        self._worker = worker
        self._fd = fd
        self._rest = b""
        self._ended = False
        self._loop = asyncio.get_running_loop()

    def open(self) -> None:
        """From now on the worker reacts."""
        self._loop.add_signal_handler(signal.SIGTERM, self._worker.stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        _end_with_the_supervisor()
        self._loop.add_reader(self._fd, self._read)

    def hear(self) -> None:
        """Read what has been said and was not read yet, without waiting."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while not self._ended and poll.poll(0):
            self._read()

    def _read(self) -> None:
        data = os.read(self._fd, 65536)
        if not data:
            self._ended = True
            self._loop.remove_reader(self._fd)
            log.warning("supervisor exited; stopping the worker")
            self._worker.fail(1)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, _, begun = line.partition(b" ")
            if word == b"heartbeat":
                self._worker.confirm(float(begun))
            else:
                self._worker.hurry()


def watch_supervisor(worker: Supervised) -> SupervisorLine:
    """React to the supervisor of this process, in the running event loop."""
    line = SupervisorLine(worker, sys.stdin.fileno())
    line.open()
    return line


def _end_with_the_supervisor() -> None:
    """See to it that this process ends soon after its supervisor, even if a job holds the loop, or the GIL, so that no
    line of Python is run here any more. The kernel sends SIGUSR1 when the parent dies; its handler is `alarm` of the C
    library, which takes the number of the signal for the seconds (10) after which SIGALRM ends the process."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        library.signal(signal.SIGUSR1, library.alarm)
        send_at_parents_death(signal.SIGUSR1)
