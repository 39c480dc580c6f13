"""The signal that this process gets from the kernel when its parent dies."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_PDEATHSIG = 1


def send_at_parents_death(number: int) -> None:
    """Have the kernel send this signal. Linux only; elsewhere the end of the pipe to the parent has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
