"""The backend of `journal:///path/to/file`, which the entry point in pyproject.toml names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from holdfast.core.errors import ConfigurationError, Conflict, NotFound, Problem
from holdfast.core.retention import Retention
from holdfast.storage.backends import SchemaStatus, StoreOptions
from holdfast_journal.journal import Journal, whole
from holdfast_journal.reader import JournalReader, wall_clock
from holdfast_journal.writer import JournalWriter


class JournalStore(JournalWriter, JournalReader):
    """All facts in one file, all rows in memory; for a few thousand jobs on one host."""

    scheme = "journal"

    def __init__(
        self,
        path: Path,
        *,
        durable: bool = True,
        retention: Retention | None = None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._journal = Journal(path, durable=durable)
        self._retention = retention or Retention()
        self.now = clock

    def open(self) -> None:
        self._journal.open()

    def close(self) -> None:
        self._journal.close()

    def ping(self) -> None:
        self.last_event()

    def info(self) -> dict[str, str | int]:
        size = self._journal.path.stat().st_size
        return {"database": "journal", "place": str(self._journal.path), "durability": "full", "bytes": size}


class JournalCare:
    """The file as it is, without being opened as a store."""

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self._path = path

    def status(self) -> SchemaStatus:
        there = self._path.exists()
        size = self._path.stat().st_size if there else 0
        return SchemaStatus(self.place, there, int(there), 1, () if there else ("0001_first",), size)

    def check(self) -> list[str]:
        lines = self._committed().splitlines()
        return [f"line {n} is damaged" for n, line in enumerate(lines, 1) if not whole(line)]

    def backup(self, target: Path) -> int:
        try:
            with target.open("xb") as copy:
                size = copy.write(self._committed())
                copy.flush()
                os.fsync(copy.fileno())
        except FileExistsError:
            raise Conflict(f"{target} exists already; it is not overwritten.") from None
        return size

    def _committed(self) -> bytes:
        if not self._path.exists():
            raise NotFound(f"There is no database at {self.place}; holdfast db migrate makes one.")
        data = self._path.read_bytes()
        return data[: data.rfind(b"\n") + 1]


class JournalKind:
    label = "Journal"

    def store(self, url: str, options: StoreOptions) -> JournalStore:
        durable = options.durability == "full"
        return JournalStore(path_of(url), durable=durable, retention=options.retention)

    def care(self, url: str) -> JournalCare:
        return JournalCare(path_of(url))


def path_of(url: str) -> Path:
    path = url.removeprefix("journal:///")
    if path in ("", url):
        raise ConfigurationError([Problem(("database_url",), "names no file; use journal:///path")])
    return Path(path)


KIND: Final = JournalKind()
