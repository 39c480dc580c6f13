"""The disk is full while jobs run: nothing that was done is forgotten, no process runs hot, and all continue when there is
space."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.core.errors import StorageUnavailable
from tests.system.fleet import ROOT, Fleet, until
from tests.system.histories import check_history, check_items, interruptions

MAX_RATE = 3.5
"""Lines a second that a supervisor with one worker may log while the disk is full."""
MAX_USE = 0.3
"""Cores that the worker may use meanwhile."""


def fill(ballast: Path) -> None:
    """Take all space there is, to the last byte."""
    disk = os.statvfs(ballast.parent)
    assert disk.f_blocks * disk.f_frsize < 1 << 25, "this is not the small disk"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """Played in a name space of its own, where the data folder is a file system of twelve megabytes."""
    (tmp_path / "data").mkdir()
    on_a_disk = 'mount -t tmpfs -o size=12m none "$0" && exec "$@"'
    done = subprocess.run(
        [
            "unshare",
            "-rm",
            "sh",
            "-c",
            on_a_disk,
            str(tmp_path / "data"),
            sys.executable,
            "-m",
            __name__,
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def play(fleet: Fleet) -> None:
    """The whole piece, in a process that sees a small disk at `fleet.data_dir`."""
    supervisor = fleet.start()
    ballast = fleet.data_dir / "ballast"
    kinds = ("items_loop", "items_thread", "items_process")
    walking = [fleet.enqueue(kind, {"n": 4, "barrier": "full", "at": 1}) for kind in kinds]
    ending = [fleet.enqueue(kind, {"barrier": "full"}) for kind in ("end_loop", "end_thread")]
    for job in walking:
        until(
            lambda job=job: len(fleet.effects(job)) == 2,
            "it is at the second item",
            every=5,
        )
    for job in ending:
        fleet.effect(job, "at the end")
    [worker] = fleet.workers()

    fill(ballast)
    with pytest.raises(StorageUnavailable, match="full"):
        fleet.enqueue("note_loop")
    lines, used = len(supervisor.lines("")), cpu_seconds(worker.pid)
    fleet.allow("full")  # now all of them want to save, or have something to say
    began = fleet.parts.store.now()
    until(lambda: supervisor.lines("storage unavailable"), "the worker has noticed")
    until(lambda: fleet.parts.store.now() > began + 6_000_000, "it stays full for a while", every=0.2)
    written, used = len(supervisor.lines("")) - lines, cpu_seconds(worker.pid) - used
    seconds = (fleet.parts.store.now() - began) / 1_000_000
    assert {fleet.job(job).state for job in (*walking, *ending)} == {"processing"}

    ballast.unlink()
    for job in fleet.ended([*walking, *ending], within=60):
        history = fleet.history(job.id)
        check_history(job, history)
        assert (job.state, job.attempt, job.crashes) == ("succeeded", 1, 0), (job, history)
        if job.type.startswith("items"):
            check_items(fleet.effects(job.id, "item"), 4, again=interruptions(history))
    for job in ending:
        assert len(fleet.effects(job)) == 1, "its result was kept, it did not run again"
    assert written <= MAX_RATE * seconds, supervisor.words()
    assert used <= MAX_USE * seconds, f"{used} s of CPU in {seconds} s of waiting"
    assert fleet.ended([fleet.enqueue("note_loop")])[0].state == "succeeded"
    assert {w.id for w in fleet.workers()} == {worker.id}, "no worker has died of it"


if __name__ == "__main__":
    small = Fleet(Path(sys.argv[1]), children=2, lease=60, heartbeat_interval=2)
    try:
        play(small)
    except BaseException:
        sys.stderr.write("".join(supervisor.words()[-2500:] for supervisor in small.supervisors))
        raise
    finally:
        small.destroy()
