"""The guard kills a worker whose lease is about to end, whatever that worker does, and no other process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from holdfast.runtime.clock import since_boot
from holdfast.worker import guard
from holdfast.worker.guarding import GuardLine

KILL_AFTER = 60.0
"""What the guard waits. A heartbeat that was begun `LATE` ago is overdue, one of now never is in a test."""

LATE = 1000.0

HOLDS_GIL = "import ctypes; print(flush=True); ctypes.PyDLL(None).sleep(600)"
WITH_CHILD = """
import subprocess
command = ["sh", "-c", "sleep 600 & echo $!; wait"]
child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline().strip(), flush=True)
child.wait()
"""


class Scene:
    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.line = GuardLine(writing)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(KILL_AFTER)],
            stdin=reading,
            start_new_session=True,
        )
        os.close(reading)
        self._workers: list[subprocess.Popen[str]] = []

    def worker(self, code: str = "print(flush=True); input()") -> tuple[subprocess.Popen[str], list[int]]:
        """A process, and the numbers it has printed."""
        worker = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._workers.append(worker)
        assert worker.stdout is not None
        return worker, [int(word) for word in worker.stdout.readline().split()]

    def settle(self) -> None:
        """Wait until the guard has acted on all that was said: it has killed one that was said last."""
        last, _ = self.worker()
        self.line.confirm(last.pid, since_boot() - LATE)
        assert last.wait(30) == -signal.SIGKILL

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    pipe.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def scene() -> Generator[Scene]:
    made = Scene()
    yield made
    made.close()


@pytest.mark.parametrize("code", ["print(flush=True); input()", HOLDS_GIL])
def test_without_a_heartbeat_it_is_killed(scene: Scene, code: str) -> None:
    worker, _ = scene.worker(code)
    scene.line.confirm(worker.pid, since_boot() - LATE)
    assert worker.wait(30) == -signal.SIGKILL


def test_a_stopped_one_is_killed_too(scene: Scene) -> None:
    worker, _ = scene.worker()
    worker.send_signal(signal.SIGSTOP)
    scene.line.confirm(worker.pid, since_boot() - LATE)
    assert worker.wait(30) == -signal.SIGKILL


def test_the_children_that_run_its_jobs_end_with_it(scene: Scene) -> None:
    worker, [child, grandchild] = scene.worker(WITH_CHILD)
    scene.line.confirm(worker.pid, since_boot() - LATE)
    assert worker.wait(30) == -signal.SIGKILL
    for pid in (child, grandchild):
        state = Path(f"/proc/{pid}/stat")
        until_gone(state)


def until_gone(stat: Path) -> None:
    """Wait until a process has ended; it may not have been reaped."""
    while stat.exists():
        try:
            if stat.read_text().rpartition(")")[2].split()[0] in "ZX":
                return
        except OSError:
            return


def test_who_has_a_heartbeat_or_nothing_to_do_lives(scene: Scene) -> None:
    fresh, _ = scene.worker()
    idle, _ = scene.worker()
    renewed, _ = scene.worker()
    gone, _ = scene.worker()
    late = since_boot() - LATE
    # one write, so that the guard does not act in between
    said = [f"heartbeat {fresh.pid} {since_boot()}"]
    said += [f"heartbeat {idle.pid} {late}", f"idle {idle.pid} {late}"]
    said += [f"heartbeat {renewed.pid} {late}", f"heartbeat {renewed.pid} {since_boot()}"]
    said += [f"idle {renewed.pid} {late}", f"heartbeat {renewed.pid} {late - 1}"]
    said += [f"heartbeat {gone.pid} {late}", f"gone {gone.pid}"]
    os.write(scene.line.fd, ("\n".join(said) + "\n").encode())
    scene.settle()
    assert [worker.poll() for worker in (fresh, idle, renewed, gone)] == [None] * 4


def test_who_was_idle_is_guarded_again_after_a_heartbeat(scene: Scene) -> None:
    worker, _ = scene.worker()
    late = since_boot() - LATE
    os.write(
        scene.line.fd,
        f"heartbeat {worker.pid} {late}\nidle {worker.pid} {late}\nheartbeat {worker.pid} {late + 1}\n".encode(),
    )
    assert worker.wait(30) == -signal.SIGKILL


def test_it_ends_with_its_line_and_not_by_a_signal(scene: Scene) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        scene.settle()  # its handlers are there
        scene.process.send_signal(number)
    scene.settle()
    scene.line.close()
    assert scene.process.wait(30) == 0
