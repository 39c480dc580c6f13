"""PID 1 of a container: forwards signals to the program, and reaps orphans."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

_NOT_FORWARDED = {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU}
_FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP}


def run_below_init() -> None:
    """As PID 1, continue in a child process; this one remains as its init, which exits with the exit code of the child.

    Returns in the process that continues: the child, or this one when it is not PID 1. The program itself could not reap
    orphans, because waiting for any child takes the exit codes away from the code that waits for a certain child."""
    if os.getpid() != 1:
        return
    # blocked signals stay pending until they are read; the kernel drops a signal to PID 1 that has no handler yet
    waited = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP} - _FAULTS
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    child = os.fork()
    if child == 0:
        _take_terminal()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        number = signal.sigwait(waited)
        if number == signal.SIGCHLD:
            _reap(child)
        elif number not in _NOT_FORWARDED:
            with suppress(ProcessLookupError):
                os.kill(child, number)


def _take_terminal() -> None:
    """Make this process a foreground group: Ctrl-C then comes from the terminal only, not a second time from init."""
    os.setpgid(0, 0)
    with suppress(OSError):  # standard input is not a terminal
        os.tcsetpgrp(0, os.getpgrp())


def _reap(program: int) -> None:
    """Collect every process that has ended. Exits when the program is one of them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
