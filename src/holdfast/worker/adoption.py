"""This process as the parent of processes below it whose own parent has ended, at the moments at which that is wanted.

Only then: what jobs leave behind belongs to init. Linux only.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


class Adoption:
    """Makes this process adopt, and collects what it has adopted by chance."""

    def __init__(self) -> None:
        self._strays: dict[int, bool] = {}
        """Processes that are perhaps not waited for by anyone, and whether they had ended at the last look."""

    @contextmanager
    def begin(self) -> Generator[None]:
        """Adopt for as long as this is open. Raises OSError where the system has no such thing."""
        _adopt(True)
        before = _children()
        try:
            yield
        finally:
            _adopt(False)
            self._strays |= dict.fromkeys(_children() - before, False)

    def keep(self, pid: int) -> None:
        """This one is waited for."""
        self._strays.pop(pid, None)

    def reap(self) -> None:
        """Collect strays that have ended. To be called now and then: a child of our own is waited for at once, so what has
        ended and is still there at the next look is none."""
        for pid, had_ended in list(self._strays.items()):
            try:
                news = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | (0 if had_ended else os.WNOWAIT))
            except ChildProcessError:
                del self._strays[pid]
            else:
                self._strays[pid] = news is not None


def _adopt(on: bool) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this system has no subreapers")


def _children() -> set[int]:
    """The children of this process; empty where the kernel does not list them."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # that thread has ended meanwhile
            found |= set(map(int, thread.read_text().split()))
    return found
