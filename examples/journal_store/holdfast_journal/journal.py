"""A transaction as one line of a file: there as a whole and durable before it is visible, or not at all.

Committing is three steps: append `checksum changes` without an end of line, fsync, append the end of line. A line without
an end is not committed. If its checksum is right it was whole, so the next writer ends it (its author got no result,
either is true); if not, the author died on the way, and the next writer cuts it off. The file only grows; what it holds
is replayed into memory by each process.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from holdfast.core.errors import StorageRefused, StorageUnavailable

Row = dict[str, Any]
Key = int | str
TIMEOUT = 10.0
"""Seconds a writer waits for the transactions of other processes, each some milliseconds long."""


class Draft:
    """What one transaction has changed so far. Rows are replaced, never changed, so that readers may keep theirs."""

    def __init__(self, committed: dict[str, dict[Key, Row]]) -> None:
        self._committed = committed
        self._changed: dict[str, dict[Key, Row | None]] = {}

    def get(self, table: str, key: Key) -> Row | None:
        changed = self._changed.get(table, {})
        return changed[key] if key in changed else self._committed.get(table, {}).get(key)

    def rows(self, table: str) -> list[Row]:
        """All rows of a table in the order in which they came."""
        both = self._committed.get(table, {}) | self._changed.get(table, {})
        return [row for row in both.values() if row is not None]

    def put(self, table: str, key: Key, row: Row | None) -> None:
        """Set a row; None removes it."""
        self._changed.setdefault(table, {})[key] = row

    def changes(self) -> list[tuple[str, Key, Row | None]]:
        return [(table, key, row) for table, rows in self._changed.items() for key, row in rows.items()]


class Journal:
    """The file and what it says. One writer at a time, on this host; readers never wait."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        self._file = -1
        self._process = os.getpid()
        self._writing = threading.Lock()  # one transaction at a time in this process
        self._replaying = threading.Lock()  # the tables change only under it
        self._seen = 0  # bytes that have been replayed
        self._tables: dict[str, dict[Key, Row]] = {}

    def open(self) -> None:
        self._check_process()
        if self._file < 0:
            with disk():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                sync(self.path.parent)  # that there is a file is a fact too
            self._replay()

    def close(self) -> None:
        if self._file >= 0 and self._process == os.getpid():
            os.close(self._file)
        self._file = -1

    # -- reading: any thread, at any time --------------------------------------------------------------------

    def get(self, table: str, key: Key) -> Row | None:
        self._replay()
        with self._replaying:
            return self._tables.get(table, {}).get(key)

    def rows(self, table: str) -> list[Row]:
        self._replay()
        with self._replaying:
            return list(self._tables.get(table, {}).values())

    def _replay(self) -> None:
        """Follow the file up to its last line that has an end."""
        self._check_process()
        with self._replaying:
            tail = self._tail()
            for line in tail[: tail.rfind(b"\n") + 1].splitlines(keepends=True):
                if not whole(line):
                    raise StorageRefused(f"{self.path} is damaged at byte {self._seen}. Restore a copy.")
                for table, key, row in json.loads(line[9:]):
                    rows = self._tables.setdefault(table, {})
                    if row is None:
                        rows.pop(key, None)
                    else:
                        rows[key] = row
                self._seen += len(line)

    def _tail(self) -> bytes:
        with disk():
            return os.pread(self._file, os.fstat(self._file).st_size - self._seen, self._seen)

    def writer(self) -> tuple[int, int] | None:
        """The process that holds the lock, as the kernel reports it, and how far the file has been read."""
        locks = Path("/proc/locks")
        place = str(self.path.stat().st_ino)
        for line in locks.read_text().splitlines() if locks.exists() else ():
            fields = line.split()  # 1: FLOCK ADVISORY WRITE 4711 fe:00:2158344 0 EOF
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == place:
                return int(fields[4]), self._seen
        return None

    # -- writing ---------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Generator[Draft]:
        """A draft that becomes one line when the body ends, and nothing when it raises."""
        self._check_process()
        with self._writing, self._alone():
            self._mend()
            draft = Draft(self._tables)
            yield draft
            if changes := draft.changes():
                self._append(json.dumps(changes, ensure_ascii=False, separators=(",", ":")).encode())
                self._replay()

    @contextmanager
    def _alone(self) -> Generator[None]:
        """No other process writes: the lock goes with its holder, however that one dies."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StorageUnavailable(f"Another process has kept {self.path} locked.") from None
                time.sleep(0.0005)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _mend(self) -> None:
        """See to what a writer that died has left behind."""
        self._replay()
        tail = self._tail()
        with disk():
            if whole(tail):
                self._end_line()
            elif tail:
                os.ftruncate(self._file, self._seen)
        self._replay()

    def _append(self, changes: bytes) -> None:
        line = memoryview(b"%08x %s" % (crc32(changes), changes))
        with disk():
            try:
                while line:
                    line = line[os.write(self._file, line) :]
                self._end_line()
            except OSError:  # the disk is full, or gone: what is half written is not committed
                os.ftruncate(self._file, self._seen)
                raise

    def _end_line(self) -> None:
        """The commit: only what is on the disk becomes visible."""
        if self._durable:
            os.fsync(self._file)
        os.write(self._file, b"\n")

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise StorageRefused("This store was opened before a fork; open one in each process.")


def whole(line: bytes) -> bool:
    """Whether a line, with or without its end, is as it was written."""
    body = line.removesuffix(b"\n")
    return len(body) > 9 and body[:8] == b"%08x" % crc32(body[9:])


@contextmanager
def disk() -> Generator[None]:
    """Errors of the system in the words of a store."""
    try:
        yield
    except OSError as error:
        words = f"The journal cannot be used: {error.strerror}. Nothing of this call was stored."
        raise StorageUnavailable(words) from error


def sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
