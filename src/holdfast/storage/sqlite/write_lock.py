"""Records which process holds the write lock: one that stands still in the middle of a transaction blocks all others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_LOCKS = Path("/proc/locks")
_WRITE_LOCK = 120
"""The byte of the -shm file that a writer in WAL mode locks (sqlite.org/walformat.html, "WAL locks")."""
_READ_LOCKS = (123, 127)
"""The bytes that readers lock, first and last. A connection between two transactions locks none of them."""


def writing(database: Path) -> tuple[int, int] | None:
    """The process that is in a writing transaction on `database`, and a mark that every commit changes. None for nobody,
    and where the system does not tell. Looks only at names and times: opening a database file would drop our locks."""
    try:
        mark = database.with_name(database.name + "-wal").stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return next(((pid, mark) for pid in _holders(database, "WRITE", _WRITE_LOCK, _WRITE_LOCK)), None)


def reading(database: Path) -> list[int]:
    """The processes that are in a reading transaction on `database`; [] where the system does not tell."""
    return sorted(set(_holders(database, "READ", *_READ_LOCKS)))


def _holders(database: Path, kind: str, first: int, last: int) -> Iterator[int]:
    try:
        inode = database.with_name(database.name + "-shm").stat().st_ino
        lines = _LOCKS.read_text().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        fields = line.split()  # 1: POSIX ADVISORY WRITE 4711 fe:00:2158344 120 120
        if len(fields) != 8 or fields[3] != kind or fields[5].rpartition(":")[2] != str(inode):
            continue
        if int(fields[6]) <= last and (fields[7] == "EOF" or int(fields[7]) >= first):
            yield int(fields[4])
