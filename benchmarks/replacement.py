"""Kills the worker process of an idle `holdfast worker` again and again, and prints how soon the next one is registered,
then the memory of the tree: `python -m benchmarks.replacement [KILLS]`.

The memory is the proportional set size: a page that n processes share counts as 1/n in each.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.ours.programs import free_port
from benchmarks.proc import tree
from benchmarks.processes import PROJECT, running
from holdfast import Holdfast
from holdfast.core.records import WorkerRecord

_SECONDS = 60.0
_LOOK = 0.002
_IDLE = 3.0
"""Seconds in which a worker has heard its first heartbeat, so that it is replaced at once."""


def main(kills: int) -> None:
    """Print the times, their median, and the memory."""
    with tempfile.TemporaryDirectory(dir=PROJECT / "benchmarks") as folder:
        place = Path(folder)
        settings = {
            "HOLDFAST_DATA_DIR": folder,
            "HOLDFAST_HEARTBEAT_INTERVAL": "0.5",
            "HOLDFAST_WORKERS": "1",
        }
        app = Holdfast(data_dir=folder)
        command = (sys.executable, "-m", "holdfast", "worker", "--app", "examples.app:app")
        times: list[float] = []
        with running(command, place, environment=settings) as started:
            seen = {_newest(app, set()).id}
            for _ in range(kills):
                time.sleep(_IDLE)
                [old] = [worker for worker in app.open().store.workers() if worker.state == "live"]
                os.kill(old.pid, signal.SIGKILL)
                began = time.monotonic()
                seen.add(_newest(app, seen).id)
                times.append(time.monotonic() - began)
                print(f"{times[-1]:.3f} s", flush=True)
            time.sleep(_IDLE)
            _print_memory("holdfast worker", started[0].pid)
        app.close()
        print(f"{median(times):.3f} s  median of {kills}, {max(times):.3f} s highest")
        settings |= {"HOLDFAST_PORT": str(free_port()), "HOLDFAST_PRODUCER": "0"}
        with running((sys.executable, "-m", "examples"), place, environment=settings) as started:
            time.sleep(2 * _IDLE)
            _print_memory("make up", started[0].pid)


def _newest(app: Holdfast, seen: set[str]) -> WorkerRecord:
    """A worker that was not seen, once there is one."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        for worker in app.open().store.workers():
            if worker.id not in seen:
                return worker
        time.sleep(_LOOK)
    raise TimeoutError(f"no new worker within {_SECONDS:g} s")


def _print_memory(name: str, root: int) -> None:
    sizes = {usage.pid: _pss_mb(usage.pid) for usage in tree(root)}
    parts = ", ".join(f"{_command(pid)} {size:.1f}" for pid, size in sizes.items())
    print(f"{sum(sizes.values()):.1f} MB  PSS of an idle {name}: {parts}")


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")[-1].rpartition("/")[2]


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10)
