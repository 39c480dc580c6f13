"""Starts and stops the worker processes of a measurement: none outlives it, whatever happens.

Standard library only: rivals use it too.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 15


@contextmanager
def running(
    command: Sequence[str], directory: Path, *, environment: Mapping[str, str] | None = None, copies: int = 1
) -> Generator[list[subprocess.Popen[bytes]]]:
    """Run `copies` of a command from the project directory; their output goes to files in `directory`.

    On leaving, each process group gets SIGTERM, and SIGKILL when it has not ended 15 seconds later.
    """
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(copies):
            with (directory / f"{Path(command[0]).name}-{number}.log").open("ab") as log:
                started.append(
                    subprocess.Popen(
                        command,
                        cwd=PROJECT,
                        env={**os.environ, **(environment or {})},
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        yield started
    finally:
        for process in started:
            _signal_group(process, signal.SIGTERM)
        for process in started:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL)
                process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)
