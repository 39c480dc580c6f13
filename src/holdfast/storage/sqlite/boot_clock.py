"""The clock of leases on SQLite: the host's boot clock. No step of the wall clock and no sleep of the machine makes a live
worker look dead or a dead one alive, and a reboot ends every lease at once."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this run of the host's kernel. Without /proc, the host's identity has to do."""
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip()
    return f"node-{uuid.getnode():x}"


def boot_clock() -> int:
    """Microseconds on a clock that never steps and counts the machine's sleep, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    nanoseconds = time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)
    return nanoseconds // 1000
