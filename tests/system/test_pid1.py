"""`holdfast up` as PID 1, as in a container without an init: orphans are reaped, and a stop is heard at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.cli_house import until

APP = """
import subprocess, sys
from holdfast import Holdfast
app = Holdfast()

@app.job()
def orphans(n: int = 50) -> int:
    # the shell ends at once: its child goes to PID 1
    for _ in range(n):
        subprocess.run(["sh", "-c", "sleep 0.01 & exit 0"])
    return n
"""
ISOLATED = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]


class Container:
    """A process space of its own in which a command is PID 1."""

    def __init__(self, folder: Path, *words: str) -> None:
        (folder / "orphans_app.py").write_text(APP)
        self.folder = folder
        self.environment = {**os.environ, "HOLDFAST_APP": "orphans_app:app", "HOLDFAST_PORT": "0"}
        self.out = folder / "out"
        with self.out.open("wb") as out:
            self.outer = subprocess.Popen(
                [*ISOLATED, sys.executable, "-m", "holdfast", *words],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.init = until(lambda: next(iter(children(self.outer.pid)), 0))

    def ready(self) -> bool:
        return "is ready" in self.out.read_text()


def children(pid: int) -> dict[int, str]:
    """The state of each child of a process, as in ps(1)."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid:
            found[int(path.parent.name)] = state
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[Container]]:
    started: list[Container] = []

    def make(*words: str) -> Container:
        started.append(Container(tmp_path, *words))
        return started[-1]

    yield make  # pyright: ignore[reportReturnType]
    for one in started:
        one.outer.kill()
        one.outer.wait()


def test_orphans_of_jobs_are_reaped(start: type[Container], tmp_path: Path) -> None:
    container = start("up")
    until(container.ready)
    run = [sys.executable, "-m", "holdfast", "job", "run", "orphans", "--wait"]
    subprocess.run(run, cwd=tmp_path, env=container.environment, check=True, capture_output=True)
    until(
        lambda: list(children(container.init).values()).count("Z") == 0 and len(children(container.init)) == 1
    )
    os.kill(container.init, signal.SIGTERM)
    assert container.outer.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["up", "worker", "web", "scheduler"])
def test_a_stop_during_the_start_is_heard(start: type[Container], command: str, number: int) -> None:
    container = start(command)
    until(lambda: children(container.init))
    os.kill(container.init, number)
    container.outer.wait(30)
    assert not container.ready()


def test_the_exit_code_is_that_of_the_program(start: type[Container]) -> None:
    assert start("config", "check").outer.wait(30) == 0
    assert start("job", "show", "nothing").outer.wait(30) == 3
