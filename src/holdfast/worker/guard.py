"""The guard: a process of its own that kills worker processes whose lease is about to end without a confirmed heartbeat.

Nothing that happens in a worker or its supervisor can keep it from that: a job that blocks the event loop, C code that
holds the interpreter, a process that is stopped, a network that is cut. Run as a script, `python guard.py SECONDS`, on the
standard library alone; it gets lines on standard input from the supervisor and its workers, and ends when all of these
have ended:

* `heartbeat PID BEGUN`: a heartbeat that was begun at that time (`CLOCK_BOOTTIME`) is confirmed;
* `idle PID BEGUN`: nothing runs in that worker until it has a later one;
* `gone PID`: it has ended.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_STDIN = 0
_MAX_SLEEP = 1.0
"""Seconds; the time of `poll` does not count the machine's sleep."""


class _Worker:
    """A worker process: when its last confirmed heartbeat was begun, and whether nothing runs in it since then. Raises
    ProcessLookupError when there is none."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.begun = 0.0
        self.is_idle = False
        self._handle = _handle(pid)

    def kill(self) -> None:
        """End it and the children that run its jobs, also while they are stopped."""
        for child in _children(self.pid):
            with suppress(OSError):
                if os.getpgid(child) == child:  # what its job has started belongs to this group too
                    os.killpg(child, signal.SIGKILL)
        with suppress(OSError):
            if self._handle is None:
                os.kill(self.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)


class Guard:
    """Kills each worker `timeout` seconds after the beginning of its last confirmed heartbeat."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._workers: dict[int, _Worker] = {}

    def hear(self, line: str) -> None:
        """Take one line, see above."""
        word, pid, *begun = line.split()
        if word == "gone":
            if (gone := self._workers.pop(int(pid), None)) is not None:
                gone.close()
            return
        worker = self._workers.get(int(pid))
        if worker is None:
            try:
                worker = self._workers[int(pid)] = _Worker(int(pid))
            except ProcessLookupError:
                return
        if float(begun[0]) > worker.begun:
            worker.begun, worker.is_idle = float(begun[0]), False
        if word == "idle" and float(begun[0]) == worker.begun:
            worker.is_idle = True

    def kill_overdue(self) -> None:
        """Kill those whose time is over."""
        now = _since_boot()
        for worker in list(self._workers.values()):
            if not worker.is_idle and now >= worker.begun + self._timeout:
                worker.kill()
                del self._workers[worker.pid]
                worker.close()

    @property
    def pause(self) -> float:
        """Seconds until the next one could be overdue."""
        ends = [worker.begun for worker in self._workers.values() if not worker.is_idle]
        if not ends:
            return _MAX_SLEEP
        return max(0.0, min(_MAX_SLEEP, min(ends) + self._timeout - _since_boot()))


def _handle(pid: int) -> int | None:
    """A handle of a process, whose number may be that of another one by the time it is killed. None where the system has no
    handles: there its end is reported in time."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (OSError, AttributeError):
        return None


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # that thread has ended meanwhile
            found += map(int, thread.read_text().split())
    return found


def _since_boot() -> float:
    """`holdfast.runtime.clock.since_boot`, without an import of the package."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def main(timeout: float) -> None:
    """Until the end of standard input."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the supervisor needs us until its workers have ended
    guard, rest, poll = Guard(timeout), "", select.poll()
    poll.register(_STDIN, select.POLLIN)
    while True:
        wait = guard.pause
        while poll.poll(wait * 1000):  # all that was said counts, however late it is read
            data = os.read(_STDIN, 65536)
            if not data:
                return
            *lines, rest = (rest + data.decode()).split("\n")
            for line in lines:
                guard.hear(line)
            wait = 0.0
        guard.kill_overdue()


if __name__ == "__main__":
    main(float(sys.argv[1]))
