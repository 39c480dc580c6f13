"""Opens connections to the database file in the one safe way, and refuses unsafe file systems."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.storage.sqlite.forks import guard

MIN_SQLITE = (3, 51, 3)
"""Older libraries have the WAL-reset race (sqlite.org/wal.html#walresetbug), which can corrupt a file with two writers."""

# fmt: off
NETWORK_FILE_SYSTEMS = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "ocfs2", "gfs2",
    "davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.ceph",
))
# fmt: on

BUSY_SECONDS = 10.0
"""A writer waits so long for the other processes' transactions (each a few milliseconds) before it gives up."""

SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL"}

FORKED = (
    "This store was opened before a fork; a SQLite connection must not cross it. Open one in each process."
)


def check_library() -> None:
    """Raise StorageRefused when the bundled SQLite is older than MIN_SQLITE."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < MIN_SQLITE:
        raise StorageRefused(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a database that several processes write; "
            f"at least {'.'.join(map(str, MIN_SQLITE))} is needed: pip install --upgrade apsw"
        )


def check_place(path: Path) -> None:
    """Raise StorageRefused when `path` lies on a network file system: SQLite's locks do not hold there."""
    kind = file_system(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StorageRefused(
            f"{path} lies on a network file system ({kind}), where SQLite's locks do not hold and data would be lost. "
            "Choose a local folder (HOLDFAST_DATA_DIR), or a database server (HOLDFAST_DATABASE_URL)."
        )


def file_system(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The kind of file system that holds `folder`, or None where the system does not tell (not Linux)."""
    if not mounts.exists():
        return None
    target = str(folder.resolve())
    best, kind = "", None
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        point = fields[4].replace("\\040", " ")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[fields.index("-") + 1]
    return kind


def connect(path: Path, durability: str) -> apsw.Connection:
    """Open `path` for one process: WAL, the asked durability, waiting writers instead of "database is locked"."""
    try:
        connection = guard(apsw.Connection(str(path), statementcachesize=200))
        wait_for_others(connection, BUSY_SECONDS)
        connection.execute(f"PRAGMA synchronous={SYNCHRONOUS[durability]}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-16000")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA wal_autocheckpoint=4000")
        connection.execute("PRAGMA journal_size_limit=67108864")
    except apsw.Error as error:
        raise unavailable(error) from error
    return connection


def fetch_all(
    db: apsw.Connection, sql: str, parameters: Sequence[apsw.SQLiteValue] = ()
) -> list[tuple[Any, ...]]:
    """All rows of a query. Text that is not UTF-8, which another program must have written, is mended: the library refuses
    to read it, and with it every other row."""
    try:
        return db.execute(sql, parameters).fetchall()
    except UnicodeDecodeError:
        width = len(db.execute(sql, parameters).description)
        names = [f"c{number}" for number in range(width)]
        texts = ", ".join(
            f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END" for name in names
        )
        raw = db.execute(f"WITH whole({', '.join(names)}) AS ({sql}) SELECT {texts} FROM whole", parameters)
        return [tuple(map(_mended, row)) for row in raw]


def _mended(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def switch_to_wal(connection: apsw.Connection) -> None:
    """Let the file keep its journal in WAL mode, once and for all.

    Where several do so at once, SQLite refuses all but one without asking their busy handlers (waiting could be a deadlock),
    so whoever is refused looks again."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def wait_for_others(connection: apsw.Connection, seconds: float) -> None:
    """Let the connection wait so long for locks of others."""
    connection.set_busy_handler(_Patience(seconds))


class _Patience:
    """A busy handler that looks again after 0.1 to 1 ms: transactions are short, SQLite's own back-off of up to 100 ms is
    not."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = 0.0

    def __call__(self, tries: int) -> bool:
        now = time.monotonic()
        if tries == 0:
            self._since = now
        if now - self._since > self._seconds:
            return False
        time.sleep(0.0001 if tries < 20 else 0.001)
        return True


def unavailable(error: apsw.Error) -> StorageUnavailable:
    """The error of the library in our words: what happened, that nothing is lost, what to do."""
    if isinstance(error, apsw.FullError):
        what = "the disk is full"
    elif isinstance(error, apsw.BusyError):
        what = f"another process has kept it locked for {BUSY_SECONDS:g} s"
    elif isinstance(error, apsw.ReadOnlyError):
        what = "it may not be written"
    else:
        what = str(error)
    return StorageUnavailable(
        f"The database refused: {what}. Nothing of this call was stored; repeat it when that is mended."
    )


TRANSIENT = (
    apsw.FullError,
    apsw.BusyError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.LockedError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.NoMemError,
)
"""Errors that speak of the database, not of one operation: everything waiting fails alike, and nothing is stored."""
