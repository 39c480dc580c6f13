"""The write-ahead log: brought back to nothing when it has grown behind a long reader."""

from __future__ import annotations

import time
from pathlib import Path

import apsw

from holdfast.storage.sqlite.connection import BUSY_SECONDS, wait_for_others

MAX_WAL = 64 * 1024 * 1024
"""Bytes above which the log is brought back; SQLite's own checkpoints keep it at a quarter of this."""

INTERVAL = 2.0
"""Seconds between two looks at its size."""

LONG_READ = 1_000
"""Pages of the log behind which a reader counts as long; the others will be gone in a moment."""

MAX_WAIT = 0.2
"""Seconds that writers wait at most for short readers to leave the log."""


class WalKeeper:
    """Looks at the size of the log from time to time, and brings it back once no long reader needs it."""

    def __init__(self, database: Path) -> None:
        self._file = database.with_name(database.name + "-wal")
        self._look_at = 0.0

    def after_commit(self, connection: apsw.Connection) -> None:
        """To be called by the writer, outside of a transaction."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + INTERVAL
        try:
            if self._file.stat().st_size > MAX_WAL:
                self._bring_back(connection)
        except (OSError, apsw.Error):
            return  # the commit before it stands, and the next look tries again

    def _bring_back(self, connection: apsw.Connection) -> None:
        _, pages, copied = next(iter(connection.execute("PRAGMA wal_checkpoint(PASSIVE)")))
        if pages - copied > LONG_READ:
            return  # to wait for that reader would stop every writer
        # Readers that follow each other without a gap keep SQLite from starting over by itself.
        wait_for_others(connection, MAX_WAIT)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            wait_for_others(connection, BUSY_SECONDS)
