"""The checks of `holdfast doctor` for SQLite: library, file system, write-ahead log."""

from __future__ import annotations

from pathlib import Path

import apsw

from holdfast.cli.doctor.findings import Check, Finding
from holdfast.storage.sqlite import write_lock
from holdfast.storage.sqlite.admin import Maintenance
from holdfast.storage.sqlite.backend import path_of
from holdfast.storage.sqlite.connection import NETWORK_FILE_SYSTEMS, check_library
from holdfast.storage.sqlite.wal import MAX_WAL


def sqlite_checks(url: str) -> list[tuple[str, Check]]:
    """The checks of the library, the file system and the write-ahead log."""
    admin = Maintenance(path_of(url).absolute())
    return [
        ("sqlite", _library),
        ("file system", lambda: _file_system(admin)),
        ("write-ahead log", lambda: _write_ahead_log(admin.path)),
    ]


def _library() -> Finding:
    check_library()
    return Finding(name="sqlite", result="good", found=f"SQLite {apsw.sqlite_lib_version()}")


def _file_system(admin: Maintenance) -> Finding:
    kind = admin.file_system()
    if kind in NETWORK_FILE_SYSTEMS:
        fix = "Choose a local folder: HOLDFAST_DATA_DIR. The locks of SQLite are not reliable on a network file system."
        found = f"{admin.path.parent} is on {kind}, a network file system"
        return Finding(name="file system", result="bad", found=found, fix=fix)
    if kind in ("tmpfs", "ramfs"):
        fix = "Choose a folder on a disk: HOLDFAST_DATA_DIR. A reboot deletes everything in memory."
        return Finding(
            name="file system", result="note", found=f"{admin.path.parent} is on {kind}, in memory", fix=fix
        )
    return Finding(name="file system", result="good", found=kind or "unknown on this system")


def _write_ahead_log(database: Path) -> Finding:
    name = "write-ahead log"
    log = database.with_name(database.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    readers = ", ".join(f"process {pid} ({_command(pid)})" for pid in write_lock.reading(database))
    found = f"{size / 1e6:.1f} MB, currently read by {readers or 'no process'}"
    if size <= 2 * MAX_WAL:
        return Finding(name=name, result="good", found=found)
    fix = "End the long transaction that reads it; then the log shrinks."
    return Finding(name=name, result="note", found=found, fix=fix)


def _command(pid: int) -> str:
    """The short name of a process, without arguments, which may contain a password."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "exited"
