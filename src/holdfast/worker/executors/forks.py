"""Copies of our processes that jobs make with fork: they run what the job gives them, and nothing of ours."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from weakref import WeakSet

from holdfast.worker.executors.here import port_here

_OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""Signals that a process of ours handles in its own way."""


class _Forks:
    """What is to be done in a copy of this process. `copied`: this is one, as far as Python has made it."""

    def __init__(self) -> None:
        self.home = 0
        self.copied = False
        self.loops: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        self.cuts: list[Callable[[], object]] = []


forks = _Forks()


def mind_forks(cut: Callable[[], object] | None = None) -> None:
    """From now on a copy of this process takes signals like any program, and says nothing for the attempt in which it was
    made. `cut`: called in it, to close what is ours."""
    if cut is not None:
        forks.cuts.append(cut)
    if not forks.home:
        os.register_at_fork(before=_hold_signals, after_in_parent=_take_signals, after_in_child=_let_go)
    forks.home = os.getpid()


def mind_loop(loop: asyncio.AbstractEventLoop) -> None:
    """A copy that comes back to this event loop ends there: the loop is that of the worker."""
    forks.loops.add(loop)


def leave_if_copy() -> None:
    """End this process, silently, when it is a copy: its function has come back to where only we continue. What it shares
    with us, as the text that waits in open files, is ours to write."""
    if forks.home and os.getpid() != forks.home:
        os._exit(0)


class _Held(threading.local):
    """The signals that this thread had blocked before it made a copy."""

    mask: set[int] | None = None


_held = _Held()


def _hold_signals() -> None:
    """Until the copy takes signals in its own way: one that came sooner would be taken by the handler that it has inherited,
    which notifies the worker."""
    _held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)


def _take_signals() -> None:
    if _held.mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _held.mask)


def _let_go() -> None:
    forks.copied = True
    for number in _OURS:
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    for loop in forks.loops:
        if not loop.is_closed():
            loop.call_soon(os._exit, 0)
    port = port_here()
    if port is not None:
        port.disown()
    for cut in forks.cuts:
        cut()
    _take_signals()
