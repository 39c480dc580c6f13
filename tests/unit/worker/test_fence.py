"""A worker without a confirmed heartbeat stops its jobs at two thirds of its lease, and forces them soon after."""

from __future__ import annotations

import os

from holdfast.worker.fence import Fence
from holdfast.worker.guarding import FORCE_AT, KILL_AT, STOP_AT, GuardLine

LEASE = 30.0


class Work:
    def __init__(self) -> None:
        self.done: list[str] = []
        self.is_idle = False

    def halt(self) -> None:
        self.done.append("halt")

    def force(self) -> None:
        self.done.append("force")

    def resume(self) -> None:
        self.done.append("resume")


class Scene:
    """A fence at a time of our choice, with a pipe in place of the guard."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.work = Work()
        self.unread: list[float] = []
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        self.fence = Fence(LEASE, GuardLine(writing), self.work, self.hear, lambda: self.now)

    def hear(self) -> None:
        while self.unread:
            self.fence.confirm(self.unread.pop())

    def at(self, part: float) -> list[str]:
        """Look at this part of the lease; what it has done."""
        self.now = 1000.0 + part * LEASE
        self.work.done.clear()
        self.fence.look()
        return list(self.work.done)

    def said(self) -> list[str]:
        try:
            return os.read(self._reading, 65536).decode().splitlines()
        except BlockingIOError:
            return []


def test_its_jobs_are_asked_and_then_forced_before_the_lease_ends() -> None:
    scene = Scene()
    assert scene.at(STOP_AT - 0.01) == []
    assert scene.at(STOP_AT) == ["halt"]
    assert scene.at(FORCE_AT - 0.01) == []
    assert scene.at(FORCE_AT) == ["force"]
    assert STOP_AT < FORCE_AT < KILL_AT < 1


def test_a_confirmed_heartbeat_counts_from_its_beginning() -> None:
    scene = Scene()
    scene.now = 1000.0 + 0.5 * LEASE
    scene.fence.confirm(1000.0 + 0.1 * LEASE)
    assert scene.at(STOP_AT) == []
    assert scene.at(STOP_AT + 0.1) == ["halt"]


def test_jobs_continue_with_the_next_confirmed_heartbeat() -> None:
    scene = Scene()
    scene.at(STOP_AT)
    scene.fence.confirm(scene.now - STOP_AT * LEASE)  # it was too long under way
    assert scene.work.done == ["halt"]
    scene.fence.confirm(scene.now)
    assert scene.work.done == ["halt", "resume"]
    assert scene.at(STOP_AT + STOP_AT) == ["halt"], "and the fence closes again"


def test_what_was_said_while_a_job_blocked_the_loop_is_heard_first() -> None:
    scene = Scene()
    scene.unread = [1000.0 + 0.9 * LEASE]
    assert scene.at(1.5) == []


def test_the_guard_is_notified_once_that_nothing_runs() -> None:
    scene = Scene()
    scene.fence.begin()
    assert scene.said() == [f"heartbeat {os.getpid()} 1000.0"]
    scene.at(STOP_AT)
    assert scene.said() == []
    scene.work.is_idle = True
    assert scene.at(FORCE_AT) == []
    scene.at(KILL_AT)
    assert scene.said() == [f"idle {os.getpid()} 1000.0"]
