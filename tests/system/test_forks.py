"""A fork while other threads use the store: the child continues, and does not touch what belongs to its parent."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from tests.system.fleet import NotInTime, until
from tests.system.jobs.app import make_app

FORKS = 50


def test_a_fork_beside_busy_threads_neither_hangs_nor_closes_anything(tmp_path: Path) -> None:
    """Connections kept by other threads are freed by Python in the child; closing them there waits for ever for locks of
    threads that the child does not have."""
    app = make_app(data_dir=str(tmp_path))
    app.enqueue("note_loop")
    stop = threading.Event()

    def look() -> None:
        app.open().store.states()  # from now on this thread has a connection, which nothing but the thread holds
        stop.wait()

    def write() -> None:
        while not stop.is_set():
            app.enqueue("note_loop")

    threads = [threading.Thread(target=target) for target in (look, look, write)]
    for thread in threads:
        thread.start()
    app.open().store.states()
    connections, everyone = app.open().store._all, 3  # type: ignore[attr-defined]  # two readers and this thread
    until(lambda: len(connections) == everyone, "every reader has its connection")
    try:
        for number in range(FORKS):
            if not (pid := os.fork()):
                os._exit(len(connections) != everyone)
            assert _exit_code(pid) == 0, f"child {number} has closed what it had copied"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(app.open().store.states().values()) >= 1
    with app.open().store.reading() as db:  # type: ignore[attr-defined]
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    app.close()


def _exit_code(pid: int) -> int:
    """Wait for its end; a process that hangs is killed."""
    try:
        _, status = until(
            lambda: (found := os.waitpid(pid, os.WNOHANG))[0] and found, "the child ends", every=0.001
        )
    except NotInTime:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return os.waitstatus_to_exitcode(status)
