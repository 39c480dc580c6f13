"""What a drain cost and how long it took, the same way for everyone on a server. Standard library only: rivals use it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import tally
from benchmarks.child import SERVER_PID, Measurement
from benchmarks.proc import Watch

_LOOK_SECONDS = 0.02

TIDY = ("VACUUM (ANALYZE)", "CHECKPOINT")
"""What autovacuum would have done a minute after a fill; done before a drain, so that it does not run during one."""

Completed = tuple[int, float]
"""How many jobs a store has as completed, and when the last of them was, in seconds since the epoch by its clock."""


def measure_drain(count: int, workers: Sequence[int], wait: Callable[[], float]) -> Measurement:
    """Watch the workers and the server while `wait` waits for `count` jobs; it returns the seconds that these took."""
    server = int(os.environ.get(SERVER_PID, "0"))
    with Watch(*workers) as watch, Watch(*([server] if server else [])) as watched_server:
        seconds = wait()
    measurement = {
        "jobs_per_s": count / seconds,
        "cpu_us_per_job": 1e6 * watch.cpu_seconds / count,
        "peak_rss_mb": watch.peak_rss_mb,
    }
    if server:
        measurement["server_cpu_us_per_job"] = 1e6 * watched_server.cpu_seconds / count
    return measurement


def until_completed(
    directory: Path, count: int, completed: Callable[[], Completed], *, timeout: float
) -> float:
    """Seconds from the first call, as tallied in `directory`, to the last of `count` completion records in the store.

    The store is not asked before all calls were counted: asking is not to slow down what is measured. TimeoutError when
    the calls or the records stay away.
    """
    deadline = time.monotonic() + timeout
    tally.wait_for(directory, count, timeout=timeout)
    while time.monotonic() < deadline:
        found, last = completed()
        if found >= count:
            return last - (time.time() - time.monotonic()) - tally.first_call(directory)
        time.sleep(_LOOK_SECONDS)
    raise TimeoutError(f"{count} completions were not recorded within {timeout} s")
