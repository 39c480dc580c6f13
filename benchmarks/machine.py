"""Facts about the machine and the versions; exists because an absolute figure means nothing without them."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import apsw

from benchmarks.summary import percentile

_OWN_PACKAGES = (
    "holdfast-jobs",
    "apsw",
    "pydantic",
    "uvloop",
    "fastapi",
    "starlette",
    "uvicorn",
    "psycopg",
    "pymysql",
)
_FSYNC_WRITES = 200
_FSYNC_BYTES = 4096


@dataclass(frozen=True)
class Machine:
    """Where a run was made. Times are milliseconds; `load_before` is the one-minute load when the run
    began."""

    cpus: int
    cpu_model: str
    memory_gb: float
    kernel: str
    python: str
    sqlite: str
    packages: dict[str, str]
    fsync_4k_p50_ms: float
    fsync_4k_p95_ms: float
    load_before: float


def describe(directory: Path) -> Machine:
    """Measure and collect the facts. `directory` is on the file system that the benchmark stores will be
    on."""
    fsync = _fsync_times(directory)
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        cpu_model=_first_value("/proc/cpuinfo", "model name"),
        memory_gb=round(int(_first_value("/proc/meminfo", "MemTotal").split()[0]) / 1024**2, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        sqlite=apsw.sqlite_lib_version(),
        packages={name: found for name in _OWN_PACKAGES if (found := _installed(name)) is not None},
        fsync_4k_p50_ms=round(percentile(fsync, 50), 3),
        fsync_4k_p95_ms=round(percentile(fsync, 95), 3),
        load_before=round(os.getloadavg()[0], 2),
    )


def _fsync_times(directory: Path) -> list[float]:
    path = directory / "fsync.probe"
    block = os.urandom(_FSYNC_BYTES)
    times: list[float] = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for _ in range(_FSYNC_WRITES):
            os.write(descriptor, block)
            began = time.perf_counter()
            os.fsync(descriptor)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    return times


def _first_value(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return "0 unknown"


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
