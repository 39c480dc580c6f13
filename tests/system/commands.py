"""Starts `holdfast` commands for tests: forked from a process that has imported them once, which saves each the imports.

A forked command is a process of its own, with the arguments, environment, folder, standard files and session of its own, and
is killed as any other. Only its command line in /proc is that of the process that it was forked from.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
HOLDFAST = (sys.executable, "-m", "holdfast")
MAX_REQUEST = 200_000
READ_AT_START = ("PYTHON", "LC_", "LANG", "MALLOC_", "LD_")
"""Prefixes of variables that are read when an interpreter starts."""

_ENVIRONMENT = dict(os.environ)
"""That of the process that forks, whatever a test changes later."""


class Command:
    """A `holdfast` command that was forked; used as `subprocess.Popen`."""

    def __init__(self, pid: int, status: IO[bytes]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("holdfast", timeout or 0.0)
            self._read()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self) -> None:
        with self._status as status:
            text = status.read()
        assert text, "the process that forks commands has ended"
        self.returncode = int(text)


Process = Command | subprocess.Popen[bytes]


def start(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> Process:
    """Start `holdfast` with these words, in a session of its own, without input."""
    if _read_at_start(env) != _read_at_start(_ENVIRONMENT):  # what was forked would not have read them
        return subprocess.Popen(
            (*HOLDFAST, *words),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    return _forker().start(words, cwd, env, stdout, stderr)


def run(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `holdfast` with these words to its end; its output goes to files."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(words, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        texts: list[str] = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        return subprocess.CompletedProcess([*HOLDFAST, *words], code, *texts)


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START)}


class _Forker:
    """This side of the process that forks."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._nothing = os.open(os.devnull, os.O_RDONLY)
        with theirs:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "tests.system.commands", str(theirs.fileno())),
                cwd=ROOT,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self._line.close()
        self._process.wait()

    def start(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], stdout: IO[bytes], stderr: IO[bytes]
    ) -> Command:
        request = json.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)}).encode()
        reading, writing = os.pipe()
        try:
            files = [self._nothing, stdout.fileno(), stderr.fileno(), writing]
            with self._lock:
                socket.send_fds(self._line, [request], files)
                answer = self._line.recv(100)
        finally:
            os.close(writing)
        assert answer, "the process that forks commands has ended"
        return Command(int(answer), os.fdopen(reading, "rb"))


@cache
def _forker() -> _Forker:
    return _Forker()


# -- the process that forks -------------------------------------------------------------------------------------------------


def _serve(line: socket.socket) -> int | None:
    """Fork until the tests have ended. Returns in a command only, with its exit code."""
    _load()
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(waking, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake)
    statuses: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([line, waking], [], [])
        if waking in ready:
            os.read(waking, 1000)
        _report(statuses)
        if line not in ready:
            continue
        text, files, _, _ = socket.recv_fds(line, MAX_REQUEST, 4)
        if not text:
            return None
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _command(line, json.loads(text), files)
        statuses[pid] = files.pop()
        for file in files:
            os.close(file)


def _report(statuses: dict[int, int]) -> None:
    """Pass on the exit codes of the commands that have ended."""
    for pid in list(statuses):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            writing = statuses.pop(pid)
            with suppress(BrokenPipeError):  # the test does not wait for it any more
                os.write(writing, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(writing)


def _command(line: socket.socket, request: dict[str, Any], files: list[int]) -> int:
    os.setsid()
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.path[0] = request["cwd"]
    sys.argv[1:] = request["words"]
    line.send(str(os.getpid()).encode())
    line.detach()
    os.closerange(3, 1024)
    from holdfast.cli import main

    return main()


def _load() -> None:
    """Import what commands import, and open nothing."""
    import importlib
    import pkgutil

    import holdfast.cli.commands

    for module in pkgutil.walk_packages(holdfast.cli.commands.__path__, "holdfast.cli.commands."):
        importlib.import_module(module.name)
    for name in (
        "holdfast.cli.program",
        "holdfast.hosting.run",
        "holdfast.hosting.fork_launch",
        "holdfast.storage.sqlite.store",
        "holdfast.storage.postgres.store",
        "holdfast.storage.mysql.store",
        "uvloop",
    ):
        importlib.import_module(name)
    import gc

    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1


if __name__ == "__main__":
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
