"""The end of a worker process: exit handlers and open files of its jobs, and a thread that does not let go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import atexit, gc, sys, threading
from holdfast.worker import leaving as module
module.LEAVE_GRACE = float(sys.argv[2])
leaving = module.Leaving()
path = sys.argv[1]
kept = open(path + ".text", "w"); kept.write("a line")
raw = open(path + ".bytes", "wb"); raw.write(b"bytes")
closed = open(path + ".closed", "w"); closed.close()
if "frozen" in sys.argv:
    gc.freeze()
def note(word):
    with open(path, "a") as file:
        file.write(word + " ")
atexit.register(note, "handler")
if "stays" in sys.argv:
    threading.Thread(target=threading.Event().wait).start()
if "hangs" in sys.argv:
    atexit.register(threading.Event().wait)
threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.exit(leaving.begin(86))
"""


def leave(path: Path, grace: float, *how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(grace), *how], timeout=60, check=False
    )
    return done.returncode


@pytest.mark.parametrize("how", [(), ("frozen",)])
def test_exit_handlers_run_and_open_files_are_written(tmp_path: Path, how: tuple[str, ...]) -> None:
    path = tmp_path / "notes"
    assert leave(path, 60.0, *how) == 86
    assert path.read_text() == "handler "
    assert Path(f"{path}.text").read_text() == "a line"
    assert Path(f"{path}.bytes").read_bytes() == b"bytes"


def test_a_thread_or_a_handler_that_does_not_end_cannot_keep_the_process(tmp_path: Path) -> None:
    for how in ("stays", "hangs"):
        path = tmp_path / how
        assert leave(path, 0.2, how) == 86
        assert Path(f"{path}.text").read_text() == "a line"
