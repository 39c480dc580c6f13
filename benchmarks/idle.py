"""What a worker costs while there is nothing to do, the same way for everyone. Standard library only."""

from __future__ import annotations

import time

from benchmarks.child import Measurement
from benchmarks.proc import tree

_SETTLE_SECONDS = 5.0


def measure_idle(roots: list[int], seconds: int) -> Measurement:
    """Watch the trees below `roots` for `seconds`, after five to settle, and give CPU and memory.

    `tree_*` is all processes together; `worker_*` is the costliest single process: the highest of each, which
    may be two different ones. CPU is per cent of one core, and the kernel counts it in steps of 10 ms, so 20
    seconds show 0.05 % at best. RSS counts shared pages in each process that maps them.
    """
    time.sleep(_SETTLE_SECONDS)
    before = {usage.pid: usage for root in roots for usage in tree(root)}
    began = time.monotonic()
    time.sleep(seconds)
    after = [usage for root in roots for usage in tree(root)]
    wall = time.monotonic() - began
    used = [
        100 * (usage.cpu_seconds - before[usage.pid].cpu_seconds) / wall
        for usage in after
        if usage.pid in before
    ]
    return {
        "tree_cpu_percent": sum(used),
        "worker_cpu_percent": max(used),
        "tree_rss_mb": sum(usage.rss_mb for usage in after),
        "worker_rss_mb": max(usage.rss_mb for usage in after),
        "processes": len(after),
    }
