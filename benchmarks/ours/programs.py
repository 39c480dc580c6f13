"""Starts Holdfast's own programs for a measurement, as a user would."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.processes import running

HOLDFAST = str(Path(sys.executable).parent / "holdfast")
_APP = ("--app", "benchmarks.app:app")
_READY_SECONDS = 60.0


@contextmanager
def workers(
    directory: Path,
    *,
    processes: int,
    concurrency: int = 100,
    data: Path | None = None,
    queues: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """``holdfast worker`` with so many worker processes, on the measurement's own server or else on the store in `data`
    (default: in `directory`). `settings`: more of them, as variables of the environment."""
    environment = {
        "HOLDFAST_CONCURRENCY": str(concurrency),
        "HOLDFAST_WORKERS": str(processes),
        "HOLDFAST_DATA_DIR": str(data or directory),
    }
    if queues is not None:
        environment["HOLDFAST_QUEUES"] = queues
    environment |= settings or {}
    with running((HOLDFAST, "worker", *_APP), directory, environment=environment) as started:
        yield started[0]


@contextmanager
def web(directory: Path, *, data: Path | None = None, command: str = "web") -> Generator[httpx.Client]:
    """``holdfast web`` (or ``up``) on a free port, ready, and a client for it. TimeoutError when it does not
    get ready."""
    port = free_port()
    settings = {"HOLDFAST_PORT": str(port), "HOLDFAST_DATA_DIR": str(data or directory)}
    with (
        running((HOLDFAST, command, *_APP), directory, environment=settings) as started,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        _wait_until_ready(client, started[0])
        yield client


def free_port() -> int:
    """A port of the loopback on which no process listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ChildProcessError(f"the server ended with {process.returncode} before it was ready")
        try:
            if client.get("/api/v1/health/ready").is_success:
                return
        except httpx.TransportError:
            pass  # not listening yet; asked again until the deadline
        time.sleep(0.05)
    raise TimeoutError(f"the server was not ready within {_READY_SECONDS} s")
