"""Standard input, output and error of a process: always open, and never a reason for the process to fail or to hang."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

STALL_MS = 1_000
"""Milliseconds that one write waits for a reader that takes nothing. Until it reads again, output is dropped at once."""

_CHUNK = 4_096
"""Bytes that a pipe or terminal which reports to be writable takes without blocking (PIPE_BUF)."""


def open_standard_files() -> None:
    """Open those of the descriptors 0 to 2 that are closed on /dev/null, so that no socket or database gets their number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            taken = os.open(os.devnull, os.O_RDWR)
            if taken != number:  # only where a lower one was closed meanwhile
                os.dup2(taken, number)
                os.close(taken)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays open as long as the process


def protect_output() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams to which writing never fails: the output of a process that serves
    others is not worth its end. Idempotent."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream: TextIO = getattr(sys, name)
        if isinstance(getattr(stream, "buffer", None), _SafeOutput) or not _is_connected(stream, number):
            continue
        with suppress(OSError):  # what is waiting in the old stream may be what cannot be written
            stream.flush()
        raw = _SafeOutput(number)
        safe = io.TextIOWrapper(raw, stream.encoding, "backslashreplace", write_through=True)  # pyright: ignore[reportArgumentType] - raw, as under `python -u`
        setattr(sys, name, safe)


def _is_connected(stream: TextIO, number: int) -> bool:
    """Whether a stream writes to this descriptor; one that another program has put there is its own affair."""
    try:
        return stream.fileno() == number
    except (OSError, ValueError):
        return False


class _SafeOutput(io.RawIOBase):
    """A descriptor to which everything can be written. What it does not take, because its reader is gone or does not read or
    its disk is full, is dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._stalled = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        left = memoryview(data).cast("B")
        size = len(left)
        with suppress(OSError):
            while left and self._takes():
                left = left[os.write(self._descriptor, left[:_CHUNK]) :]
        return size

    def _takes(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        self._stalled = not poll.poll(0 if self._stalled else STALL_MS)
        return not self._stalled


class LineStream(io.TextIOBase):
    """A text stream that hands each complete line to a function. Threads do not mix their lines."""

    def __init__(self, stream: TextIO, emit: Callable[[str], None]) -> None:
        self._stream = stream
        self._emit = emit
        self._begun = threading.local()

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._stream.encoding

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str, /) -> int:
        *lines, rest = (getattr(self._begun, "text", "") + text).split("\n")
        self._begun.text = rest
        for line in lines:
            if line.strip():
                self._emit(line.rstrip("\r"))
        return len(text)

    def end(self) -> None:
        """Pass on the unfinished line of this thread."""
        self.write("\n")
