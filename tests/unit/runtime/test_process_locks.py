"""Whose lock can be taken has died for certain; everything that is less certain says nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.runtime.process_locks import Lock, ProcessLocks, locks_folder

HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from holdfast.runtime.process_locks import ProcessLocks
from holdfast.worker.executors.forks import mind_forks

held = ProcessLocks(Path(sys.argv[1])).hold("holder")
mind_forks(held.close)
match sys.argv[2]:
    case "forks":
        child = os.fork()
        if child == 0:
            print(os.getpid(), flush=True)  # it has let go of the lock by now
            time.sleep(600)
            os._exit(0)
    case "starts":
        child = subprocess.Popen(["sleep", "600"]).pid
    case "shares":
        child = subprocess.Popen(["sleep", "600"], pass_fds=[held.fd]).pid
    case _:
        child = 0
if sys.argv[2] != "forks":
    print(child, flush=True)
os.read(0, 1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "processes"


@contextmanager
def holder(folder: Path, does: str = "nothing") -> Generator[tuple[subprocess.Popen[str], int]]:
    """A process that holds the lock "holder", and the pid of the child it has made."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), does],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        yield process, child
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        if child:
            os.kill(child, signal.SIGKILL)


def test_a_living_process_holds_its_lock_and_a_dead_one_does_not(folder: Path) -> None:
    locks = ProcessLocks(folder)
    with holder(folder) as (process, _):
        assert (locks.look("holder"), locks.dead()) == (Lock.HELD, [])
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert locks.look("holder") is Lock.HELD, "a stopped process is not dead"
        process.kill()
        process.wait()
        assert (locks.look("holder"), locks.dead()) == (Lock.FREE, ["holder"])
        locks.forget("holder")
        assert (locks.look("holder"), locks.dead()) == (Lock.SILENT, [])


@pytest.mark.parametrize("does", ["forks", "starts"])
def test_what_a_process_has_left_running_holds_nothing(folder: Path, does: str) -> None:
    with holder(folder, does) as (process, child):
        process.kill()
        process.wait()
        assert ProcessLocks(folder).look("holder") is Lock.FREE
        os.kill(child, 0)  # it lives


def test_a_child_that_shares_the_lock_must_end_too(folder: Path) -> None:
    with holder(folder, "shares") as (process, _):
        process.kill()
        process.wait()
        assert ProcessLocks(folder).look("holder") is Lock.HELD


def test_a_process_sees_its_own_lock_and_releases_it(folder: Path) -> None:
    locks = ProcessLocks(folder)
    held = locks.hold("me")
    assert held is not None
    assert locks.look("me") is Lock.HELD
    held.release()
    assert not folder.exists()
    again = locks.hold("again")
    assert again is not None
    assert locks.look("again") is Lock.HELD
    again.release()


def test_looking_does_not_take_a_lock_from_others(folder: Path) -> None:
    with holder(folder) as (process, _):
        process.kill()
        process.wait()
        first, second = ProcessLocks(folder), ProcessLocks(folder)
        assert first.dead() == second.dead() == first.dead() == ["holder"]


@pytest.mark.parametrize("elsewhere", ["a copy", "another boot", "without a text", "unreadable"])
def test_what_was_written_elsewhere_says_nothing(folder: Path, tmp_path: Path, elsewhere: str) -> None:
    locks = ProcessLocks(folder)
    with holder(folder) as (process, _):
        path = folder / "holder"
        match elsewhere:
            case (
                "a copy"
            ):  # of a living process: a container was made of its folder, or a backup was restored
                shutil.copytree(folder, tmp_path / "copy")
                locks = ProcessLocks(tmp_path / "copy")
            case "another boot":
                process.kill()
                process.wait()
                _, _, place = path.read_text().partition(" ")
                path.write_text(f"00000000-0000-0000-0000-000000000000 {place}")
            case "without a text":
                process.kill()
                process.wait()
                path.write_text("")
            case _:
                process.kill()
                process.wait()
                path.rename(folder / "other")
                path.symlink_to(folder / "other")
                locks.forget("other")
        assert locks.look("holder") in (Lock.FOREIGN, Lock.SILENT)
        assert locks.dead() == []


def test_files_of_an_earlier_boot_are_removed(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "old").write_text("00000000-0000-0000-0000-000000000000 1:2\n")
    assert ProcessLocks(folder).dead() == []
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_used_costs_the_lock_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert ProcessLocks(tmp_path / "file").hold("me") is None
    (tmp_path / "link").symlink_to(tmp_path)
    assert ProcessLocks(tmp_path / "link").hold("me") is None, "another user may have made it"


def test_modes(tmp_path: Path) -> None:
    for access, modes in ((False, (0o700, 0o600)), (True, (0o2770, 0o660))):
        folder = tmp_path / str(access)
        held = ProcessLocks(folder, group_access=access).hold("me")
        assert held is not None
        assert (folder.stat().st_mode & 0o7777, (folder / "me").stat().st_mode & 0o7777) == modes
        held.release()


def test_each_store_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert locks_folder(f"sqlite:///{tmp_path}/holdfast.db") == tmp_path / "holdfast.db.processes"
    first, second = locks_folder("postgresql://host/a"), locks_folder("postgresql://host/b")
    assert first != second
    assert "host" not in first.name, "a URL may hold a password"
