"""Our part of the scenario that kills a worker with its job."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.app import app, hold
from benchmarks.child import Measurement, Setup
from benchmarks.latency import stamped
from benchmarks.ours.programs import workers

_SECONDS = 120.0
_FAST = {"HOLDFAST_HEARTBEAT_INTERVAL": "1", "HOLDFAST_LEASE": "3"}


def of_a_host(setup: Setup) -> Measurement:
    """Seconds from SIGKILL of a supervisor with all its workers, as if their host were gone, to the first line of their job
    under another one. With `argument` "fast" the heartbeat is 1 s and the lease 3 s."""
    settings = _FAST if setup.argument == "fast" else {}
    return _killed(setup, settings, lambda supervisor: os.killpg(supervisor, signal.SIGKILL))


def of_a_worker_process(setup: Setup) -> Measurement:
    """The same when only the worker process is killed and its supervisor lives."""

    def kill(supervisor: int) -> None:
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        ours = {worker.pid for worker in app.open().store.workers()}
        os.kill(next(int(child) for child in children if int(child) in ours), signal.SIGKILL)

    return _killed(setup, {}, kill)


def _killed(setup: Setup, settings: Mapping[str, str], kill: Callable[[int], None]) -> Measurement:
    times: list[float] = []
    for number in range(setup.size):
        place = setup.directory / str(number)
        place.mkdir()
        with workers(setup.directory, processes=1, settings=settings) as first:
            handle = hold.enqueue(seconds=3600, place=str(place))
            _wait(lambda place=place: stamped(place) >= 1)
            with workers(setup.directory, processes=1, settings=settings):
                _wait(lambda: sum(worker.state == "live" for worker in app.open().store.workers()) >= 2)
                began = time.monotonic()
                kill(first.pid)
                _wait(lambda place=place: stamped(place) >= 2)
                times.append(time.monotonic() - began)
                handle.cancel()
                handle.wait(_SECONDS)
    app.close()
    return {"seconds": max(times)}


def _wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not happen within {_SECONDS} s")
        time.sleep(0.01)
