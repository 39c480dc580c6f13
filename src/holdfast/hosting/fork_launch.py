"""Launches the process of a fork server: as a copy of this process while that is possible, else as a new program."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

from holdfast.hosting.child import start_forking_server
from holdfast.worker.fork_server import ForkServer, can_fork, has_one_thread


def launch_fork_server() -> ForkServer | None:
    """Start a fork server that loads what any app needs; None on systems without support for it."""
    return ForkServer(*start_forking_server()) if can_fork() else None


def fork_fork_server() -> ForkServer | None:
    """The same as a copy of this process, which has loaded what any app needs: the two share that memory, and with every
    worker process. To be called before this process has threads, an event loop, files or the app of the user.

    Raises SystemExit in the copies: in worker processes, with their exit code."""
    if not can_fork() or not has_one_thread():
        return launch_fork_server()
    from holdfast.hosting.forking_server import forking_server, process_began

    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    began = process_began()
    gc.collect()
    gc.freeze()  # what is never looked at again stays shared
    pid = os.fork()
    if pid:
        theirs.close()
        return ForkServer(_Copy(pid), ours)
    ours.close()
    os.dup2(theirs.fileno(), 0)
    theirs.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it lives as long as the process
    raise SystemExit(forking_server(began))


class _Copy:
    """A copy of this process, as `subprocess.Popen` shows a program."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._code: int | None = None

    def kill(self) -> None:
        if self._code is None:  # its number stays taken until this process waits for it
            os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._code
