"""Inspects, checks and backs up a database file without opening it as a store.

Nothing here creates a file that is not there, changes a schema, or needs the program to be of the same version.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import apsw

from holdfast.core.errors import Conflict, NotFound, StorageUnavailable
from holdfast.storage.backends import SchemaStatus
from holdfast.storage.sqlite.access import make_database_private
from holdfast.storage.sqlite.connection import file_system, unavailable
from holdfast.storage.sqlite.counts import wrong
from holdfast.storage.sqlite.schema import MIGRATIONS, standing

BUSY_MS = 10_000
MAX_FINDINGS = 100


class Maintenance:
    """Care for the database file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)

    def status(self) -> SchemaStatus:
        """Where the schema stands. Raises StorageUnavailable when the file cannot be read."""
        if not self.path.exists():
            names = tuple(name for name, _ in MIGRATIONS)
            return SchemaStatus(str(self.path), False, 0, len(MIGRATIONS), names, 0)
        with self._reading() as db:
            applied, needs = standing(db)
        pending = tuple(name for name, _ in MIGRATIONS[applied:])
        return SchemaStatus(str(self.path), True, applied, len(MIGRATIONS), pending, self._size(), needs)

    def check(self) -> list[str]:
        """What is wrong with the file: damaged pages, indexes that disagree with their table. Reads all of it; [] = sound.

        Raises NotFound without a file."""
        with self._reading() as db:
            found = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({MAX_FINDINGS})")]
            found += [f"foreign key: {row}" for row in db.execute("PRAGMA foreign_key_check")]
            if standing(db).applied == len(MIGRATIONS):
                found += [f"jobs are counted wrongly: {text}" for text in wrong(db, MAX_FINDINGS)]
        return [line for line in found if line != "ok"]

    def backup(self, target: Path) -> int:
        """Copy the database, as it is at one moment, to a new file, while others work on it; answers its size in bytes.

        The copy is whole or not there: it is made beside `target` and then renamed. Raises Conflict when `target`
        exists, NotFound without a database."""
        if target.exists():
            raise Conflict(f"{target} exists already; it is not overwritten.")
        beside = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with self._reading() as db:
                make_database_private(beside, group=False)  # SQLite fills an empty file, and keeps its mode
                db.execute("VACUUM INTO ?", (str(beside),))
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            os.link(beside, target)  # unlike a rename, a link never replaces what came in between
            _sync_folder(target.parent)
            return target.stat().st_size
        except FileExistsError:
            raise Conflict(f"{target} exists already; it is not overwritten.") from None
        except OSError as error:
            raise StorageUnavailable(f"The copy {target} cannot be written: {error.strerror}.") from error
        finally:
            beside.unlink(missing_ok=True)

    def file_system(self) -> str | None:
        """The kind of file system that holds the file, or None where the system does not tell."""
        return file_system(self.path.parent)

    def _size(self) -> int:
        return sum(
            part.stat().st_size for part in self.path.parent.glob(f"{self.path.name}*") if part.is_file()
        )

    @contextmanager
    def _reading(self) -> Generator[apsw.Connection]:
        if not self.path.exists():
            raise NotFound(f"There is no database at {self.path}; holdfast db migrate makes one.")
        connection: apsw.Connection | None = None
        try:
            # not read-only: a file whose last writer died needs its log folded in before it can be read
            connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
            connection.set_busy_timeout(BUSY_MS)
            yield connection
        except apsw.Error as error:
            raise unavailable(error) from error
        finally:
            if connection is not None:
                connection.close(True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
