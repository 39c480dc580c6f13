"""CPU time and memory of a process and its descendants, from /proc, helper processes included.

Standard library only: rivals measure themselves with it too.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Usage:
    """CPU seconds used so far (children that have ended included) and resident megabytes of one process."""

    pid: int
    name: str
    parent: int
    cpu_seconds: float
    rss_mb: float


def tree(root: int) -> list[Usage]:
    """The living processes from `root` downwards, `root` first. A process that ends meanwhile is left out."""
    everything = {
        usage.pid: usage for entry in Path("/proc").iterdir() if (usage := _usage(entry)) is not None
    }
    found = [everything[root]] if root in everything else []
    for usage in found:
        found.extend(child for child in everything.values() if child.parent == usage.pid)
    return found


def _usage(entry: Path) -> Usage | None:
    if not entry.name.isdigit():
        return None
    try:
        stat = (entry / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, _, rest = stat[stat.index("(") + 1 :].rpartition(")")
    fields = rest.split()
    return Usage(
        pid=int(entry.name),
        name=name,
        parent=int(fields[1]),
        cpu_seconds=sum(int(ticks) for ticks in fields[11:15]) / _TICKS_PER_SECOND,
        rss_mb=int(fields[21]) * _PAGE_BYTES / 1024**2,
    )


class Watch:
    """Samples process trees every 0.5 s while open and once at the end: `peak_rss_mb` of all together, and the
    `cpu_seconds` they used meanwhile.

    Shared pages are counted in every process that maps them, so the sum is an upper limit. CPU time of a
    process that starts and ends between two samples is found again in its parent, when the parent has waited
    for it.
    """

    def __init__(self, *roots: int) -> None:
        self._roots = roots
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_closed, daemon=True)
        self._before = self._cpu()
        self.peak_rss_mb = 0.0
        self.cpu_seconds = 0.0
        self.wall_seconds = 0.0

    def __enter__(self) -> Watch:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _cpu(self) -> float:
        return sum(usage.cpu_seconds for root in self._roots for usage in tree(root))

    def _sample_until_closed(self) -> None:
        while True:
            ended = self._closed.wait(_SAMPLE_SECONDS)
            usages = [usage for root in self._roots for usage in tree(root)]
            self.peak_rss_mb = max(self.peak_rss_mb, sum(usage.rss_mb for usage in usages))
            self.cpu_seconds = max(
                self.cpu_seconds, sum(usage.cpu_seconds for usage in usages) - self._before
            )
            self.wall_seconds = time.monotonic() - self._began
            if ended:
                return
