"""This exists so that it can be told who keeps everybody else from writing: one process that stands still in the middle of a
transaction stops all others on the same file."""

from __future__ import annotations

from pathlib import Path

_LOCKS = Path("/proc/locks")
_WRITE_LOCK = 120
"""The byte of the -shm file that a writer in WAL mode locks (sqlite.org/walformat.html, "WAL locks")."""


def writing(database: Path) -> tuple[int, int] | None:
    """The process that is in a writing transaction on `database`, and a mark that every commit changes. None for nobody,
    and where the system does not tell. Looks only at names and times: opening a database file would drop our locks."""
    if not _LOCKS.exists():
        return None
    try:
        inode = database.with_name(database.name + "-shm").stat().st_ino
        mark = database.with_name(database.name + "-wal").stat().st_mtime_ns
    except FileNotFoundError:
        return None
    for line in _LOCKS.read_text().splitlines():
        fields = line.split()  # 1: POSIX ADVISORY WRITE 4711 fe:00:2158344 120 120
        if len(fields) != 8 or fields[3] != "WRITE" or fields[5].rpartition(":")[2] != str(inode):
            continue
        if int(fields[6]) <= _WRITE_LOCK and (fields[7] == "EOF" or int(fields[7]) >= _WRITE_LOCK):
            return int(fields[4]), mark
    return None
