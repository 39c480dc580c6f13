"""What a process prints is not lost with the process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PRINT_AND_DIE = """
import os, signal, sys
from holdfast.runtime.output import protect_output

protect_output()
print("a line: \u00e9")
print("a part", end="")
sys.stdout.buffer.write(b" and bytes")
os.kill(os.getpid(), signal.SIGKILL)
"""

INTERRUPTED = """
import signal, sys
from holdfast.runtime.output import protect_output

protect_output()
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
print("x" * 5_000_000, end="")
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_what_was_printed_is_there_when_the_process_is_killed(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        ended = subprocess.run(python(PRINT_AND_DIE), stdout=subprocess.PIPE, check=False)
        printed = ended.stdout
    else:
        with (tmp_path / "out").open("wb") as out:
            ended = subprocess.run(python(PRINT_AND_DIE), stdout=out, check=False)
        printed = (tmp_path / "out").read_bytes()
    assert ended.returncode == -signal.SIGKILL
    assert printed.decode() == "a line: \u00e9\na part and bytes"


def test_signals_cut_nothing_off() -> None:
    """A write to a full pipe that a signal interrupts has written a part only."""
    ended = subprocess.run(python(INTERRUPTED), stdout=subprocess.PIPE, check=True)
    assert ended.stdout == b"x" * 5_000_000
