"""This exists so that `holdfast doctor` knows what can be wrong with an embedded database only: its library, its disk."""

from __future__ import annotations

import apsw

from holdfast.cli.findings import Check, Finding
from holdfast.storage.sqlite.connection import NETWORK_FILE_SYSTEMS, check_library
from holdfast.storage.sqlite.kind import path_of
from holdfast.storage.sqlite.maintenance import Maintenance


def sqlite_checks(url: str) -> list[tuple[str, Check]]:
    """The checks of the library and of the place of the file."""
    care = Maintenance(path_of(url).absolute())
    return [("sqlite", _library), ("file system", lambda: _file_system(care))]


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
