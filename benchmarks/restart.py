"""Kills everything that `make up` runs, again and again, and prints how soon the job that ran holds its next item:
`python -m benchmarks.restart [RESTARTS]`.

Each column is seconds from the launch; a row is one restart. From the third one on the job runs in a child of its own,
because it was running in two workers that died.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ours.programs import free_port
from benchmarks.processes import PROJECT
from holdfast import Holdfast

_SECONDS = 60.0
_LOOK = 0.01
_COLUMNS = ("started", "claimed", "held", "ready")
_READY = b"Holdfast is ready:"


class _Program:
    """What `make up` starts, in a process group of its own."""

    def __init__(self, place: Path, number: int) -> None:
        self._log = place / f"{number}.log"
        self.launched = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "examples"),
                cwd=PROJECT,
                # compiled code is found, as it is by a user
                env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
                | {"HOLDFAST_PORT": str(free_port()), "HOLDFAST_DATA_DIR": str(place)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        return _READY in self._log.read_bytes()

    def kill(self) -> None:
        """All of it at once, what has a session of its own too."""
        doomed = _marked(f"HOLDFAST_DATA_DIR={self._log.parent}")
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in doomed:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        self._process.wait()


def _marked(variable: str) -> list[int]:
    """The processes with this variable in their environment."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def main(restarts: int) -> None:
    """Print the table and the medians."""
    with tempfile.TemporaryDirectory(dir=PROJECT / "benchmarks") as folder:
        place = Path(folder)
        app = Holdfast(data_dir=str(place))
        program = _Program(place, 0)
        _when(program.is_ready)
        job = app.enqueue("count_to", {"n": 1_000_000, "delay": 0.1}, priority=10)
        _when(lambda: _held(app, job.id) > 5)
        rows: list[dict[str, float]] = []
        print("".join(f"{name:>9}" for name in _COLUMNS))
        for number in range(1, restarts + 1):
            program.kill()
            seen = {worker.id for worker in app.open().store.workers()}
            before, token = _held(app, job.id), _record(app, job.id).token
            program = _Program(place, number)
            facts: dict[str, Callable[[], bool]] = {
                "started": lambda seen=seen: any(w.id not in seen for w in app.open().store.workers()),
                "claimed": lambda token=token: _record(app, job.id).token > token,
                "held": lambda before=before: _held(app, job.id) > before,
                "ready": program.is_ready,
            }
            rows.append(_times(facts, program.launched))
            print("".join(f"{rows[-1][name]:9.2f}" for name in _COLUMNS), flush=True)
        program.kill()
        app.close()
    print("".join(f"{median(row[name] for row in rows):9.2f}" for name in _COLUMNS), " median")
    print("".join(f"{max(row[name] for row in rows):9.2f}" for name in _COLUMNS), " highest")


def _times(facts: dict[str, Callable[[], bool]], launched: float) -> dict[str, float]:
    times: dict[str, float] = {}

    def all_true() -> bool:
        for name, fact in facts.items():
            if name not in times and fact():
                times[name] = time.monotonic() - launched
        return len(times) == len(facts)

    _when(all_true)
    return times


def _when(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_SECONDS:g} s")
        time.sleep(_LOOK)


def _record(app: Holdfast, job: str) -> Any:
    return app.open().store.job(job)


def _held(app: Holdfast, job: str) -> int:
    text = _record(app, job).progress
    if not text:
        return 0
    return int(json.loads(text).get("held") or 0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10)
