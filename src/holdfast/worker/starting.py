"""Worker processes as their supervisor starts and holds them: forked by a fork server, or executed as a new program."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from holdfast.worker.adoption import Adoption
from holdfast.worker.fork_server import ForkServer, Stale, Unfit

log = structlog.get_logger("holdfast.worker")


class Input(Protocol):
    """The end of the pipe that is the standard input of a worker process."""

    def write(self, data: bytes) -> object: ...

    def is_closing(self) -> bool: ...


class Process:
    """A worker process: a child of this one, however it was started."""

    def __init__(self, pid: int, lines: Input | None) -> None:
        self.pid = pid
        self.stopped = False
        """Whether it was stopped (SIGSTOP) when `is_stopped` was called last."""
        self._input = lines

    def is_stopped(self) -> bool:
        """Whether it is stopped now, or has ended; asked of the kernel in a way that leaves its exit status for `wait`."""
        try:
            news = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
        except ChildProcessError:
            return True  # it has ended; `wait` has its exit status or is about to get it
        if news is not None:
            self.stopped = news.si_code in (os.CLD_STOPPED, os.CLD_TRAPPED)
        return self.stopped

    def write(self, line: bytes) -> None:
        """Write a line to its input, unless it is gone."""
        if self._input is not None and not self._input.is_closing():
            self._input.write(line)

    def signal(self, number: int) -> None:
        """Send a signal. Raises ProcessLookupError when it has ended."""
        raise NotImplementedError

    async def wait(self) -> int:
        """Wait for its end, once; returns the exit code, or -N for signal N."""
        raise NotImplementedError


class ExecutedProcess(Process):
    """One that was started as a program of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__(process.pid, process.stdin)
        self._process = process

    @classmethod
    async def start(cls, command: Sequence[str], guard: int) -> ExecutedProcess:
        return cls(
            await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, pass_fds=(guard,))
        )

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def wait(self) -> int:
        return await self._process.wait()


class ForkedProcess(Process):
    """One that a fork server has made, and that the kernel has made a child of this process. `handle`: its pidfd."""

    def __init__(self, pid: int, handle: int, lines: asyncio.WriteTransport) -> None:
        super().__init__(pid, lines)
        self._transport = lines
        self._handle = handle
        self._ended = False

    def signal(self, number: int) -> None:
        if self._ended:
            raise ProcessLookupError
        os.kill(self.pid, number)  # its number stays taken until this process waits for it

    async def wait(self) -> int:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._handle)
        _, status = os.waitpid(self.pid, 0)  # noqa: ASYNC222 - it has ended
        self._ended = True
        os.close(self._handle)
        self._transport.abort()
        return os.waitstatus_to_exitcode(status)


class WorkerStarter:
    """Starts worker processes: by a fork server where that is possible and safe for the app, else as programs.

    `command`: what a program is started with. `launch`: starts the process of a fork server, which does not know yet what to
    load. `first`: one that was launched ahead."""

    def __init__(
        self,
        command: Sequence[str],
        app: str,
        settings: dict[str, object],
        *,
        launch: Callable[[], ForkServer | None],
        first: ForkServer | None = None,
    ) -> None:
        self._command = tuple(command)
        self._app = app
        self._settings = settings
        self._launch = launch
        self._server = first
        self._ready: ForkServer | None = None
        self._forks = True
        self._closed = False
        self._adoption = Adoption()
        self._one_at_a_time = asyncio.Lock()

    async def start(self, guard: int) -> Process | None:
        """A worker process that reads its orders; None after `close`. `guard`: a descriptor that it inherits."""
        async with self._one_at_a_time:
            for last in (False, True):
                if self._closed or not self._forks:
                    break
                process = await self._fork(guard, last)
                if process is not None:
                    return process
        return None if self._closed else await ExecutedProcess.start(self._command, guard)

    def close(self) -> None:
        """Start no more, and end the fork server."""
        self._closed = True
        self._drop()

    def reap(self) -> None:
        """To be called now and then, see `Adoption.reap`."""
        self._adoption.reap()

    async def _fork(self, guard: int, last: bool) -> Process | None:
        """None when this server cannot, or must not; then it is dropped."""
        try:
            server = await self._loaded()
            if server is None:
                return None
            with self._adoption.begin():
                process = ForkedProcess(*await server.fork(guard))
            self._adoption.keep(process.pid)
            return process
        except Stale:
            self._forks = not last  # it changes with each import
            log.info("the code of the app has changed; reloading it")
        except Unfit as unfit:
            self._forks = unfit.may_change
            if not unfit.may_change:
                log.info("worker processes are not forked", reason=str(unfit))
        except OSError as error:
            if not self._closed:
                log.warning("the fork server ended; replacing it", error=str(error) or type(error).__name__)
        self._drop()
        return None

    async def _loaded(self) -> ForkServer | None:
        if self._server is None or self._server.has_changed:
            self._drop()
            self._server = self._launch()
        if self._server is None:
            self._forks = False
            return None
        if self._ready is not self._server:
            await self._server.load(self._app, self._settings)
            self._ready = self._server
        return self._server

    def _drop(self) -> None:
        if self._server is not None:
            self._server.end()
            self._server = None
