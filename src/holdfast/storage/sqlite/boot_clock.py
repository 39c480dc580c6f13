"""The clock of leases on SQLite: the host's boot clock. No step of the wall clock and no sleep of the machine makes a live
worker look dead or a dead one alive, and a reboot ends every lease at once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, cast

from holdfast.storage.records.dialect import Row, Value

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


class BootLeases:
    """Leases on the boot clock: a time on it, and the boot in which it is valid."""

    columns: ClassVar[tuple[str, ...]] = ("boot", "deadline")
    over: ClassVar[str] = "(boot <> ? OR deadline < ?)"

    def __init__(self, clock: Callable[[], int], lease_clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lease_clock = lease_clock
        self._boot = boot_id()

    def now(self) -> tuple[Value, ...]:
        return (self._boot, self._lease_clock())

    def until(self, seconds: float) -> tuple[Value, ...]:
        return (self._boot, self._lease_clock() + int(seconds * 1_000_000))

    def ended_at(self, columns: Row) -> int:
        boot, deadline = columns
        booted = self._clock() - self._lease_clock()  # which ends every lease that began before
        return booted + (cast(int, deadline) if boot == self._boot else 0)
