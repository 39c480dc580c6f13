"""What the service manager, container or shell that started this program allows it to use."""

from __future__ import annotations

import os

from holdfast.core.settings import Settings


def worker_count(settings: Settings) -> int:
    """The number of worker processes that the settings name."""
    return usable_cores() if settings.workers == -1 else settings.workers


def usable_cores() -> int:
    """The number of cores this process may use: a container, taskset or systemd may allow fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
