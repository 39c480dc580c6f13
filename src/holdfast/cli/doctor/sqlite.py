"""This exists so that `holdfast doctor` knows what can be wrong with an embedded database only: its library, its disk."""

from __future__ import annotations

from pathlib import Path

import apsw

from holdfast.cli.doctor.findings import Check, Finding
from holdfast.storage.sqlite import turn
from holdfast.storage.sqlite.connection import NETWORK_FILE_SYSTEMS, check_library
from holdfast.storage.sqlite.kind import path_of
from holdfast.storage.sqlite.maintenance import Maintenance
from holdfast.storage.sqlite.wal import MAX_WAL


def sqlite_checks(url: str) -> list[tuple[str, Check]]:
    """The checks of the library and of the place of the file."""
    care = Maintenance(path_of(url).absolute())
    return [
        ("sqlite", _library),
        ("file system", lambda: _file_system(care)),
        ("write-ahead log", lambda: _write_ahead_log(care.path)),
    ]


def _library() -> Finding:
    check_library()
    return Finding(name="sqlite", result="good", found=f"SQLite {apsw.sqlite_lib_version()}")


def _file_system(care: Maintenance) -> Finding:
    kind = care.file_system()
    if kind in NETWORK_FILE_SYSTEMS:
        fix = "SQLite's locks do not hold there. Choose a local folder: HOLDFAST_DATA_DIR"
        found = f"{care.path.parent} is on {kind}, a network file system"
        return Finding(name="file system", result="bad", found=found, fix=fix)
    if kind in ("tmpfs", "ramfs"):
        fix = "Everything in it is gone after a reboot. Choose a folder on a disk: HOLDFAST_DATA_DIR"
        return Finding(
            name="file system", result="note", found=f"{care.path.parent} is on {kind}, in memory", fix=fix
        )
    return Finding(name="file system", result="good", found=kind or "not known on this system")


def _write_ahead_log(database: Path) -> Finding:
    name = "write-ahead log"
    log = database.with_name(database.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    readers = ", ".join(f"process {pid} ({_command(pid)})" for pid in turn.reading(database))
    found = f"{size / 1e6:.1f} MB, read at this moment by {readers or 'no process'}"
    if size <= 2 * MAX_WAL:
        return Finding(name=name, result="good", found=found)
    fix = "It shrinks when no long transaction reads it any more; end the program that does."
    return Finding(name=name, result="note", found=found, fix=fix)


def _command(pid: int) -> str:
    """The short name of a process; its arguments may hold a password."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "ended"
