"""The process of a fork server: it loads the app once, in a single thread, and forks worker processes from itself.

It opens nothing: no store, no event loop, no lock. An app whose copies would differ from new processes is not forked, see
`_Opened.why_unfit`.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

from holdfast.core.settings import Settings
from holdfast.hosting import worker_process
from holdfast.hosting.startup_message import read_startup_message
from holdfast.worker.fork_server import MAX_MESSAGE, has_one_thread
from holdfast.worker.parent_death import send_at_parents_death
from holdfast.worker.process import Orders

_NAME = "forking-server"
_WORKER = "worker-process"
"""What the process is called on its command line, and what its copies are."""

_ADOPTION_TIMEOUT = 5.0


def forking_server(began: int | None = None) -> int:
    """The body of the process. Returns in a worker process only, with its exit code.

    `began`: when the process began of which this one is a copy."""
    _rename(_NAME)
    sys.argv[1:] = [_WORKER]  # as the app sees it in a worker that was not forked
    send_at_parents_death(signal.SIGKILL)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stay)  # a signal to the whole group is meant for its workers
    line = _take_socket()
    orders = _receive(line)
    settings = Settings.model_validate(orders["settings"])
    leaving = worker_process.set_up(settings)
    before, began = _Opened(), began or process_began()
    try:
        app = worker_process.load(orders["app"], settings)
    except BaseException as error:  # any error of the user's module; a worker that is not forked shows it
        _refuse(line, f"the app cannot be loaded ({type(error).__name__})", may_change=True)
    if why := before.why_unfit():
        _refuse(line, why, may_change=False)
    sources = dict(_sources())
    is_stale = any(stamp and began <= stamp[0] <= time.time_ns() for stamp in sources.values())
    gc.collect()
    gc.freeze()  # the collector of a copy does not touch it, so its pages stay shared
    _send(line, {})
    while True:
        request, fds = _receive_with_files(line)
        if is_stale or any(_stamp(path) != stamp for path, stamp in sources.items()):
            _send(line, {"stale": True})
            os._exit(0)
        if _is_worker(request["supervisor"], line):
            break
        for fd in fds:
            os.close(fd)
    standard_input, guard = fds
    os.dup2(standard_input, sys.stdin.fileno())
    os.close(standard_input)
    given = replace(Orders(**read_startup_message()), guard=guard)
    return worker_process.work(given, settings, app, worker_process.hold(given, settings), leaving)


def _is_worker(supervisor: int, line: socket.socket) -> bool:
    """Fork a worker process: returns True in it, once it is a child of the supervisor, and False here."""
    between = os.fork()
    if between:
        if os.waitpid(between, 0)[1]:
            os._exit(1)  # out of memory, or of processes
        return False
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        os._exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _rename(_WORKER)
    deadline = time.monotonic() + _ADOPTION_TIMEOUT
    while os.getppid() != supervisor:
        if time.monotonic() > deadline:
            _refuse(line, "a copy was not adopted by its supervisor", may_change=False)
        time.sleep(0.0002)
    _send(line, {"pid": os.getpid()})
    line.close()
    return True


class _Opened:
    """The open files and random generators of this process before it loaded the app."""

    def __init__(self) -> None:
        self._descriptors = set(_descriptors())
        self._generators = _generators()

    def why_unfit(self) -> str | None:
        """Why a copy of this process would differ from a new one, None when it would not."""
        if not has_one_thread():
            return "the app starts threads while it is imported"
        if _has_children():
            return "the app starts processes while it is imported"
        if _descriptors() - self._descriptors:
            return "the app opens files or connections while it is imported, and keeps them open"
        if _generators() - self._generators or "numpy.random" in sys.modules:
            return "the app makes random generators while it is imported, which all copies would share"
        return None


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _descriptors() -> set[str]:
    return {number for number in os.listdir("/proc/self/fd") if _is_open(int(number))}  # noqa: PTH208 - only the names are needed


def _is_open(number: int) -> bool:
    """Whether a descriptor is open now; that of the listing itself is not."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _generators() -> set[int]:
    """The ids of all random generators except those of the system and that of the module, which reseeds itself in a copy."""
    found = cast("list[object]", gc.get_objects())
    # by type: isinstance would load lazy objects and fail on proxies of frameworks
    return {id(one) for one in found if _shares_its_seed(type(one))}


def _shares_its_seed(kind: type[object]) -> bool:
    return issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom)


def _sources() -> Iterator[tuple[str, Any]]:
    """The files of all loaded modules, with their modification time and size."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            yield path, _stamp(path)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - called for a thousand files at each fork
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def process_began() -> int:
    """When this process began, before any module was loaded: to the tick, in nanoseconds since the epoch."""
    ticks = 1 + int(_own_stat()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time_ns() - int(age * 1_000_000_000)


def _own_stat() -> list[str]:
    """The fields of proc_pid_stat(5) from the third on, the state."""
    return Path("/proc/self/stat").read_text().rpartition(")")[2].split()


def _rename(role: str) -> None:
    """Change the command line of this process to that of a process with this role, as far as there is room for it."""
    with suppress(OSError, ValueError):
        fields = _own_stat()
        start, end = int(fields[45]), int(fields[46])
        for program in (sys.executable, Path(sys.executable).name):
            text = "\0".join((program, "-m", "holdfast", role, "")).encode()
            if len(text) <= end - start:
                ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
                return


def _take_socket() -> socket.socket:
    """Move the socket to the supervisor away from standard input, from which programs that the app starts may read."""
    line = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return line


def _receive(line: socket.socket) -> dict[str, Any]:
    return _receive_with_files(line)[0]


def _receive_with_files(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message, with its files. The process exits when the supervisor has closed the socket."""
    text, fds, _, _ = socket.recv_fds(line, MAX_MESSAGE, 2)
    if not text:
        os._exit(0)
    return json.loads(text), fds


def _send(line: socket.socket, message: dict[str, Any]) -> None:
    try:
        line.sendall(json.dumps(message).encode())
    except OSError:
        os._exit(0)  # the supervisor has exited


def _refuse(line: socket.socket, why: str, *, may_change: bool) -> NoReturn:
    _send(line, {"unfit": why, "may_change": may_change})
    os._exit(0)


def _stay(number: int, stack: FrameType | None) -> None:
    """Ignore a signal; unlike SIG_IGN, a handler is not inherited by programs that an app starts."""
