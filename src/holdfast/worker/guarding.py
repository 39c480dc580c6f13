"""The supervisor's side of the guard, and the pipe by which supervisor and workers report to it."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

import structlog

from holdfast.worker import guard

STOP_AT = 2 / 3
"""Part of the lease after which a worker without a confirmed heartbeat stops its jobs."""

FORCE_AT = 3 / 4
"""The same, to end those by force that do not stop."""

KILL_AT = 0.9
"""The same, for the guard to kill a worker in which something still runs."""

_RESTART_PAUSE = 1.0
_TIME_TO_LEAVE = 2.0

log = structlog.get_logger("holdfast.worker")


class GuardLine:
    """Reports to the guard. One message is one write to a pipe, so those of several processes do not mix. `fd` is inherited
    by worker processes."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def confirm(self, pid: int, begun: float) -> None:
        """A heartbeat of this process that was begun at that time is confirmed."""
        self._say(f"heartbeat {pid} {begun!r}")

    def idle(self, pid: int, begun: float) -> None:
        """Nothing runs in this process until it has a later heartbeat than that."""
        self._say(f"idle {pid} {begun!r}")

    def gone(self, pid: int) -> None:
        """This process has ended."""
        self._say(f"gone {pid}")

    def close(self) -> None:
        """Let go of it, in a copy of the process that is not guarded."""
        os.close(self.fd)

    def _say(self, line: str) -> None:
        with suppress(OSError):  # full, because no guard reads it: a worker is then killed rather than spared
            os.write(self.fd, line.encode() + b"\n")


class GuardKeeper:
    """Keeps the guard of one supervisor running. The pipe outlives a guard that dies: the next one reads on."""

    def __init__(self, lease: float) -> None:
        self._timeout = KILL_AT * lease
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        self.line = GuardLine(writing)
        self._heartbeats: dict[int, float] = {}

    def confirm(self, pid: int, begun: float) -> None:
        """See `GuardLine.confirm`."""
        self._heartbeats[pid] = begun
        self.line.confirm(pid, begun)

    def gone(self, pid: int) -> None:
        """See `GuardLine.gone`."""
        self._heartbeats.pop(pid, None)
        self.line.gone(pid)

    async def run(self) -> None:
        """Until cancelled; then it ends with the last worker."""
        while True:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", guard.__file__, str(self._timeout)),
                stdin=self._reading,
                start_new_session=True,  # Ctrl-C and Ctrl-Z of a terminal are not for it
            )
            for pid, begun in self._heartbeats.items():
                self.line.confirm(pid, begun)
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await self._let_go(process)
                raise
            log.warning("the guard of the workers ended; replacing it", exit=code)
            await asyncio.sleep(_RESTART_PAUSE)

    async def _let_go(self, process: asyncio.subprocess.Process) -> None:
        os.close(self._reading)
        self.line.close()
        try:
            async with asyncio.timeout(_TIME_TO_LEAVE):
                await process.wait()
        except TimeoutError:  # something that a job has left holds the line
            process.kill()
            await process.wait()
