"""Worker processes that are forked: what the fork server must not change, and apps that are not forked."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.system.cli_house import APP, House, alive, until


@pytest.fixture
def house(tmp_path: Path) -> Generator[House]:
    with House(tmp_path) as house:
        yield house


def replaced(house: House) -> int:
    """Kill the worker process; the next one."""
    old = house.process("worker-process")
    os.kill(old, signal.SIGKILL)
    until(lambda: not alive(old))
    return until(lambda: next((pid for pid in workers(house) if pid != old), 0))


def workers(house: House) -> list[int]:
    return [pid for pid in house.processes() if "worker-process" in words(pid)]


def words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_worker_is_a_child_of_its_supervisor_and_outlives_the_fork_server(house: House) -> None:
    supervisor = house.start("worker")
    house.ready(supervisor)
    server, worker = house.process("forking-server"), house.process("worker-process")
    assert parent(worker) == supervisor.pid
    os.kill(server, signal.SIGKILL)
    until(lambda: not alive(server))
    assert house.run("job", "run", "add", "--arg", "a=1", "--wait").returncode == 0
    assert workers(house) == [worker]
    assert parent(replaced(house)) == supervisor.pid
    assert house.run("job", "run", "add", "--arg", "a=1", "--wait").returncode == 0
    assert house.process("forking-server") != server


def test_a_worker_that_is_replaced_runs_the_newest_code(house: House) -> None:
    house.ready(house.start("worker"))
    newer = "\n\n@app.job()\ndef newer() -> int:\n    return 1\n"
    (house.folder / "house_app.py").write_text(APP + newer)
    replaced(house)
    until(lambda: house.run("job", "run", "newer", "--wait").returncode == 0)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "threads"),
        (
            "import subprocess; kept = subprocess.Popen(['sleep', '60'], stdout=-3, stderr=-3)",
            "processes",
        ),
        ("kept = open(__file__)", "files or connections"),
        ("import random; kept = random.Random()", "random generators"),
    ],
)
def test_an_app_of_which_a_copy_would_differ_is_not_forked(house: House, code: str, why: str) -> None:
    (house.folder / "house_app.py").write_text(f"{APP}\n{code}\n")
    supervisor = house.start("worker")
    house.ready(supervisor)
    assert "worker processes are not forked" in house.err(supervisor)
    assert why in house.err(supervisor)
    assert house.run("job", "run", "add", "--arg", "a=1", "--wait").returncode == 0


def test_an_app_with_lazy_objects_is_forked_and_they_stay_asleep(house: House) -> None:
    """As those of Django and Flask, which load settings or fail when their class is asked for."""
    lazy = """
class Lazy:
    @property
    def __class__(self):
        raise RuntimeError("out of context")

kept = [Lazy()]
"""
    (house.folder / "house_app.py").write_text(APP + lazy)
    supervisor = house.start("worker")
    house.ready(supervisor)
    assert house.process("forking-server")
    assert "fork" not in house.err(supervisor)
