"""PID 1 of a container: passes signals on to the program, and reaps the orphans that the kernel hands to PID 1."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

_NOT_PASSED_ON = {signal.SIGCHLD, signal.SIGTTIN, signal.SIGTTOU}
_FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP}


def run_below_init() -> None:
    """As PID 1, continue in a child process and stay behind as its init, which exits with the exit code of the child.

    Returns in the process that is to go on: the child, or this one when it is not PID 1. The program itself could not reap
    orphans, because to wait for any child takes the exit codes away from those who wait for theirs."""
    if os.getpid() != 1:
        return
    # Blocked, they wait to be read: the kernel drops a signal to PID 1 that has no handler yet.
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
        elif number not in _NOT_PASSED_ON:
            with suppress(ProcessLookupError):
                os.kill(child, number)


def _take_terminal() -> None:
    """A group of its own in the foreground: Ctrl-C then comes from the terminal only, and not a second time from init."""
    os.setpgid(0, 0)
    with suppress(OSError):  # standard input is no terminal
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
