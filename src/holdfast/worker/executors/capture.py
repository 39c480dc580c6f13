"""What a job prints and logs, as lines of its console."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from holdfast.context.console import console_line, is_console
from holdfast.context.loops import who_runs
from holdfast.core.sizes import MAX_LOG_LINE
from holdfast.worker.executors.base import AttemptPort
from holdfast.worker.executors.here import port_here

_LEVELS = {"stdout": "info", "stderr": "warning"}

_NOT_OF_A_JOB = ("asyncio",)
"""Loggers whose lines come when the garbage collector finds something: in the middle of any attempt."""

partial_lines: dict[AttemptPort, dict[tuple[str, int], str]] = {}
"""By attempt: what was printed and has no line end yet, by stream and by task or thread."""

_lock = threading.Lock()


class _Busy(threading.local):
    """Whether this thread is writing a line already: what a logging handler prints is no second line."""

    is_on = False


_busy = _Busy()


def capture_output() -> None:
    """From now on what jobs print and log in this process goes to their consoles too. Records from INFO on are made, and the
    handlers that are there already write what they have written before."""
    if isinstance(sys.stdout, CapturedStream):
        return
    sys.stdout = cast(TextIO, CapturedStream(sys.stdout, "stdout"))
    sys.stderr = cast(TextIO, CapturedStream(sys.stderr, "stderr"))
    root = logging.getLogger()
    if root.level > logging.INFO:
        for handler in root.handlers:
            handler.setLevel(max(handler.level, root.level))
        root.setLevel(logging.INFO)
    _pass_records_on()


def finish_output(port: AttemptPort) -> None:
    """The attempt has ended: what it has printed without a line end is its last line."""
    with _lock:
        texts = partial_lines.pop(port, None)
    for (stream, _), text in (texts or {}).items():
        _say(port, stream, text)


class CapturedStream:
    """A standard stream. What is written to it goes where it went before, and to the console of the attempt that writes."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        if not _busy.is_on and (port := port_here()) is not None and not port.flags.lost:
            with _alone():
                _take(port, self._name, text)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _take(port: AttemptPort, stream: str, text: str) -> None:
    key = stream, id(who_runs())
    with _lock:
        texts = partial_lines.setdefault(port, {})
        *lines, rest = (texts.pop(key, "") + text).split("\n")
        while len(rest) > MAX_LOG_LINE:
            lines.append(rest[:MAX_LOG_LINE])
            rest = rest[MAX_LOG_LINE:]
        if rest:
            texts[key] = rest
        elif not texts:
            del partial_lines[port]
    for line in lines:
        _say(port, stream, line)


def _say(port: AttemptPort, stream: str, text: str) -> None:
    # of a bar that is drawn over and over again the last state counts
    line = text.rstrip("\r").rpartition("\r")[2]
    if line:
        port.log(time.time_ns() // 1_000, _LEVELS[stream], line, None)


def _pass_records_on() -> None:
    """Have every record that any logger passes to its handlers written to the console of the attempt that has made it,
    whatever handlers an app configures before or after this."""
    to_handlers = logging.Logger.callHandlers

    def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
        if _busy.is_on:
            to_handlers(self, record)
            return
        with _alone():
            port = None if self.name in _NOT_OF_A_JOB or is_console(self) else port_here()
            if port is not None and not port.flags.lost:
                port.log(*console_line(record))
            to_handlers(self, record)

    logging.Logger.callHandlers = call_handlers


@contextmanager
def _alone() -> Generator[None]:
    _busy.is_on = True
    try:
        yield
    finally:
        _busy.is_on = False
