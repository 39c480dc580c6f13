"""Our part of the start-up scenario."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from benchmarks.child import Measurement, Setup
from benchmarks.ours.programs import HOLDFAST, free_port
from benchmarks.processes import running

_READY = b"Holdfast is ready:"
_SECONDS = 60.0


def second_start(setup: Setup) -> Measurement:
    """Seconds from starting ``holdfast up`` to the ready line, on a store that an earlier start has made.

    What ``make up`` adds before that (make itself, and checking that the environment is complete) is not in
    it.
    """
    _start(setup.directory / "first", setup.directory)
    return {"seconds": _start(setup.directory / "second", setup.directory)}


def _start(place: Path, data: Path) -> float:
    place.mkdir()
    settings = {"HOLDFAST_PORT": str(free_port()), "HOLDFAST_DATA_DIR": str(data)}
    began = time.monotonic()
    with running((HOLDFAST, "up", "--app", "examples.app:app"), place, environment=settings) as started:
        return _wait(place / "holdfast-0.log", started[0]) - began


def _wait(output: Path, process: subprocess.Popen[bytes]) -> float:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if _READY in output.read_bytes():
            return time.monotonic()
        if process.poll() is not None:
            raise ChildProcessError(f"it ended with {process.returncode}: {output.read_text()[-500:]}")
        time.sleep(0.01)
    raise TimeoutError(f"no ready line within {_SECONDS} s")
