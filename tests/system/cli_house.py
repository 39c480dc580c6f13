"""A running Holdfast for tests of the command line, started as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx

from tests.system import commands
from tests.system.commands import Process

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds that a fact may take on a busy machine. A test that passes never waits so long."""

APP = """
import os, time
from pathlib import Path
from holdfast import Holdfast, JobContext

print("loaded by", os.getpid())
app = Holdfast()

@app.job()
async def add(a: int, b: int = 2) -> int:
    return a + b

@app.job(retries=0)
def boom(message: str = "boom") -> None:
    raise RuntimeError(message)

@app.job()
def count_to(ctx: JobContext, n: int = 100, delay: float = 0.05) -> int:
    print("I count")
    for number in ctx.track(range(n), total=n, every=1):
        ctx.log.info("at %d", number)
        time.sleep(delay)
    return n

@app.job()
def walk(ctx: JobContext, n: int, gate: str) -> int:
    for number in ctx.track(range(n), total=n, every=1):
        time.sleep(0.05)
        while number == n - 1 and not Path(gate).exists():
            time.sleep(0.01)
    return n

@app.job()
def mumble(text: str) -> None:
    print(text, end="")
    while True:
        time.sleep(0.01)
"""


def until(fact: Callable[[], T], seconds: float = TIMEOUT) -> T:
    """What the fact is, once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = fact()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is only not yet fetched does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class House:
    """A folder with an app, and whatever of Holdfast has been started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "house_app.py").write_text(APP)
        self.environment = {
            **os.environ,
            "HOLDFAST_APP": "house_app:app",
            "HOLDFAST_PORT": "0",
            "NO_COLOR": "1",
        }
        self.started: list[Process] = []

    def __enter__(self) -> House:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def start(self, *words: str, **environment: str) -> Process:
        """Start a command that runs until it is stopped; its output goes to files beside it."""
        number = len(self.started)
        with (
            (self.folder / f"{number}.out").open("wb") as out,
            (self.folder / f"{number}.err").open("wb") as err,
        ):
            process = commands.start(
                words, cwd=self.folder, env={**self.environment, **environment}, stdout=out, stderr=err
            )
        self.started.append(process)
        return process

    def out(self, process: Process) -> str:
        """What it has written to standard output."""
        return (self.folder / f"{self.started.index(process)}.out").read_text()

    def err(self, process: Process) -> str:
        """What it has written to standard error."""
        return (self.folder / f"{self.started.index(process)}.err").read_text()

    def ready(self, process: Process) -> str:
        """The line that says it is ready."""

        def line() -> str:
            assert process.poll() is None, self.err(process)
            return self.out(process) if self.out(process).endswith("\n") else ""

        return until(line).strip()

    def up(self, *words: str, **environment: str) -> tuple[Process, str]:
        """Everything, ready; and its address."""
        process = self.start("up", *words, **environment)
        return process, self.ready(process).removeprefix("Holdfast is ready: ")

    def run(self, *words: str, timeout: float = 60.0, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself."""
        return commands.run(words, cwd=self.folder, env={**self.environment, **environment}, timeout=timeout)

    def ask(self, *words: str) -> Any:
        """The JSON answer of a command."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def allow(self, gate: str) -> None:
        """Let the `walk` with this gate, which waits at its last number, end."""
        (self.folder / gate).touch()

    def processes(self) -> list[int]:
        """Every process of ours that works in the folder."""
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                here = (path / "cwd").readlink() == self.folder
            except OSError:
                continue
            if here and alive(int(path.name)):
                found.append(int(path.name))
        return found

    def process(self, what: str) -> int:
        """The process that was started with this word, for example "web-process"."""
        return next(
            pid for pid in self.processes() if what in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        )


def is_ready(url: str) -> bool:
    """Whether the server says so."""
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
