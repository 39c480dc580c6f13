"""The worker's side of one child process: its start, its messages, its death."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from typing import Any

import structlog

from holdfast.context.worker_link import Delivery, WorkerLink
from holdfast.core.errors import InvalidInput, LeaseLost
from holdfast.core.outcome import AttemptResult, ErrorInfo, ResultKind
from holdfast.worker.executors.base import Run
from holdfast.worker.executors.frames import (
    FrameReader,
    Message,
    attempt_message,
    frame,
    read_ended,
    read_snapshot,
)

FLAGS_AGAIN = 0.05
"""Seconds between two looks at flags once one of them is set."""

log = structlog.get_logger("holdfast.worker")

_LAST_FRAMES = 0.2
_TIME_TO_LEAVE = 3.0
_STDERR = 2


class ChildBroken(Exception):
    """A child could not load the app; `error` says why."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error


class ChildHandle:
    """A living child process and the connection to it."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.jobs = 0
        self._process = process
        self._frames = FrameReader(reader)
        self._writer = writer
        self._storing: set[asyncio.Task[None]] = set()
        self._exited = asyncio.get_running_loop().create_task(process.wait())
        self._exited.add_done_callback(self._hang_up)

    @classmethod
    async def start(
        cls, app: str, settings: dict[str, Any] | None, grace: float, *, lock: int | None = None
    ) -> ChildHandle:
        """A child that has loaded the app, and holds `lock` open. Raises ChildBroken or OSError."""
        ours, theirs = socket.socketpair()
        with theirs, _copies(lock) as locks:
            inherited = (theirs.fileno(), *locks)
            child = ("holdfast.worker.executors.child", str(os.getpid()), *map(str, inherited))
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", *child),
                    stdin=subprocess.DEVNULL,
                    # what a job prints is seen, and cannot be taken for the output of the worker
                    stdout=_STDERR,
                    pass_fds=inherited,
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        keeper = cls(process, *await asyncio.open_unix_connection(sock=ours))
        try:
            await keeper._greet(app, settings, grace)
        except BaseException:
            keeper.kill()
            await keeper.leave()
            raise
        return keeper

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._exited.done() and not self._frames.at_end

    async def run(self, run: Run) -> AttemptResult | None:
        """Have the child run the attempt, and pass on what it says. A child that dies is an answer too; None when it was
        dead before it began, so that nothing was run."""
        self.jobs += 1
        port, row, began = run.port, [run.job.seq, run.job.token], False
        flags = asyncio.get_running_loop().create_task(self._pass_flags_on(port))
        try:
            self._send(attempt_message(port.attempt, row))
            await self._writer.drain()
            while True:
                message = await self._frames.read()
                if message["kind"] == "began":
                    began = True
                elif message["kind"] == "ended":
                    if message["row"] == row:
                        return read_ended(message)
                    log.error("a child reported the end of another attempt; ignoring it", job=run.job.id)
                else:
                    self._hear(port, message)
        except asyncio.CancelledError:
            self.kill()  # at once, before anything is waited for
            await self._hear_the_rest(port)
            raise
        except (EOFError, ConnectionError):
            cause = await self._cause_of_death()
            return AttemptResult(ResultKind.CRASHED, reason=cause) if began else None
        except ValueError:
            self.kill()
            return AttemptResult(ResultKind.CRASHED, reason="what it sent could not be read")
        finally:
            flags.cancel()
            if self._storing:
                await asyncio.wait(self._storing)

    def kill(self) -> None:
        """End the child and what it has started, at once."""
        if not self._exited.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def leave(self) -> None:
        """Close the line, and see to it that the child ends."""
        self._writer.close()
        await asyncio.wait((self._exited,), timeout=_TIME_TO_LEAVE)
        self.kill()
        await self._exited

    async def _greet(self, app: str, settings: dict[str, Any] | None, grace: float) -> None:
        self._send({"kind": "hello", "app": app, "path": sys.path, "settings": settings, "grace": grace})
        try:
            message = await self._frames.read()
        except (EOFError, ConnectionError):
            cause = await self._cause_of_death()
            raise ChildBroken(
                ErrorInfo("ChildBroken", f"the child process died while it started: {cause}")
            ) from None
        if message["kind"] == "broken":
            raise ChildBroken(ErrorInfo(**message["error"]))

    def _hear(self, port: WorkerLink, message: Message) -> None:
        if message["kind"] == "store":
            delivery = port.store(read_snapshot(message["snapshot"]))  # here: in the order of the messages
            task = asyncio.get_running_loop().create_task(self._answer(delivery, message["id"]))
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)
            return
        for at, level, text, fields in message["logs"]:
            port.log(at, level, text, fields)
        if "hold" in message:
            port.hold(read_snapshot(message["hold"]))
        if "progress" in message:
            port.progress(message["progress"])

    async def _hear_the_rest(self, port: WorkerLink) -> None:
        """Take what a child that was killed had sent before."""
        with contextlib.suppress(EOFError, ConnectionError, ValueError, TimeoutError):
            async with asyncio.timeout(_TIME_TO_LEAVE):
                while (message := await self._frames.read())["kind"] in ("began", "report", "store"):
                    if message["kind"] != "began":
                        self._hear(port, message)

    async def _answer(self, delivery: Delivery, number: int) -> None:
        answer: Message = {"kind": "stored", "id": number, "lost": False, "refused": False, "error": None}
        try:
            await delivery.wait_async()
        except Exception as error:  # whatever it is, the child waits for an answer
            answer |= {
                "lost": isinstance(error, LeaseLost),
                "refused": isinstance(error, InvalidInput),
                "error": str(error) or type(error).__name__,
            }
        self._send(answer)

    def _send(self, message: Message) -> None:
        if not self._writer.is_closing():  # a child that is gone is noticed where it is read from
            self._writer.write(frame(message))

    async def _pass_flags_on(self, port: WorkerLink) -> None:
        flags, sent = port.flags, (False, False, False, False)
        while True:
            now = (flags.pause, flags.cancel, flags.stop, flags.lost)
            if now != sent:
                names = ("pause", "cancel", "stop", "lost")
                self._send({"kind": "flags", **dict(zip(names, now, strict=True))})
                sent = now
            if any(now):
                await asyncio.sleep(FLAGS_AGAIN)
            else:
                await port.wait_async(60.0)

    async def _cause_of_death(self) -> str:
        """Why a child is gone that has closed its line."""
        await asyncio.wait((self._exited,), timeout=_TIME_TO_LEAVE)
        if not self._exited.done():
            self.kill()
            await self._exited
            return "it closed its line to the worker"
        code = self._exited.result()
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def _hang_up(self, exited: asyncio.Task[int]) -> None:
        """The child has ended. Something it started may still hold the line open: do not wait for that."""
        loop = exited.get_loop()
        if not loop.is_closed():
            loop.call_later(_LAST_FRAMES, self._writer.transport.abort)


@contextlib.contextmanager
def _copies(lock: int | None) -> Generator[list[int]]:
    """A second number for the lock file, which a copy of this process does not close: the event loop makes a child by way of
    one (see `forks`)."""
    copies = [] if lock is None else [os.dup(lock)]
    try:
        yield copies
    finally:
        for copy in copies:
            os.close(copy)
