"""The store: a file, its one writing connection, and its readers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import apsw

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.core.job import Claimed, ClaimRequest, Inserted, NewJob
from holdfast.core.outcome import Report, Settlement
from holdfast.core.retention import Retention
from holdfast.storage.command import Commands
from holdfast.storage.records.dialect import Dialect
from holdfast.storage.records.session import ReadSession, WriteSession
from holdfast.storage.records.verbs import RecordVerbs
from holdfast.storage.sqlite import write_lock
from holdfast.storage.sqlite.access import make_database_private, make_folder
from holdfast.storage.sqlite.boot_clock import BootLeases, boot_clock
from holdfast.storage.sqlite.command import SqliteSteps
from holdfast.storage.sqlite.connection import check_library, check_place, connect, switch_to_wal, unavailable
from holdfast.storage.sqlite.copying import CopyingVerbs
from holdfast.storage.sqlite.maintenance import MaintenanceVerbs
from holdfast.storage.sqlite.reader import SqliteReader
from holdfast.storage.sqlite.schema import MIGRATIONS, standing
from holdfast.storage.sqlite.writer import SqliteWriter
from holdfast.storage.versions import refuse_unknown


def wall_clock() -> int:
    """Microseconds since the epoch. All processes share the host, so its clock is the database's clock."""
    return time.time_ns() // 1000


class SqliteStore(RecordVerbs, SqliteReader):
    """`sqlite:///path`: the whole of Holdfast in one file, for any number of processes on one host."""

    scheme = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        durability: str = "full",
        retention: Retention | None = None,
        group_access: bool = False,
        clock: Callable[[], int] = wall_clock,
        lease_clock: Callable[[], int] = boot_clock,
    ) -> None:
        self.path = path
        self.durability = durability
        self._group_access = group_access
        kept = retention or Retention()
        self._writer = writer = SqliteWriter(path, self._open_connection, kept, clock, lease_clock)
        SqliteReader.__init__(self, self._open_connection, clock)
        dialect, leases = Dialect(), BootLeases(clock, lease_clock)
        RecordVerbs.__init__(
            self,
            ReadSession(dialect, leases, clock, lambda statement, values: self._rows(statement, *values)),
            WriteSession(dialect, leases, clock, writer.fetch, writer.change),
        )
        commands = Commands(SqliteSteps(writer, kept, clock))
        self.command = commands.command
        self.command_all = commands.command_all
        maintenance = MaintenanceVerbs(writer, kept, clock, leases)
        self.promote = maintenance.promote
        self.rescue = maintenance.rescue
        self.expire = maintenance.expire
        self.aggregate_events = maintenance.aggregate_events
        copying = CopyingVerbs(writer)
        self.seal = copying.seal
        self.load = copying.load

    # as methods, which a derived store can override

    def transaction(self, *, sealed: bool = False) -> AbstractContextManager[None]:
        return self._writer.transaction(sealed=sealed)

    def insert(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        return self._writer.insert(jobs)

    def claim(self, request: ClaimRequest) -> list[Claimed]:
        return self._writer.claim(request)

    def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        return self._writer.settle(settlements)

    def report(self, reports: Sequence[Report]) -> list[str]:
        return self._writer.report(reports)

    def unlocked(self, seqs: Sequence[int]) -> set[int]:
        return self._writer.unlocked(seqs)

    def open(self) -> None:
        if self._opened_in is not None:
            self._check_process()
            return
        check_library()
        try:
            make_folder(self.path.parent, group=self._group_access)
        except OSError as error:
            raise StorageUnavailable(
                f"The folder {self.path.parent} cannot be made: {error.strerror}."
            ) from error
        check_place(self.path)
        try:
            make_database_private(self.path, group=self._group_access)
        except OSError as error:
            raise StorageUnavailable(f"The database {self.path} cannot be made: {error.strerror}.") from error
        writing = self._open_connection()
        try:
            switch_to_wal(writing)
            migrate(writing)
        except apsw.Error as error:
            writing.close(True)
            raise unavailable(error) from error
        except StorageRefused:
            writing.close(True)
            raise
        self._writer.open(writing)
        self._opened_in = os.getpid()

    def close(self) -> None:
        if self._opened_in == os.getpid():
            SqliteReader.close(self)
            self._writer.close()
        self._opened_in = None

    def ping(self) -> None:
        self.last_event()

    def write_lock_holder(self) -> tuple[int, int] | None:
        return write_lock.writing(self.path)

    def info(self) -> dict[str, str | int]:
        size = sum(
            part.stat().st_size for part in self.path.parent.glob(self.path.name + "*") if part.is_file()
        )
        journal = self._rows("PRAGMA journal_mode")[0][0]
        version = self._rows("PRAGMA user_version")[0][0]
        return {
            "database": f"SQLite {apsw.sqlite_lib_version()}",
            "place": str(self.path),
            "journal": str(journal),
            "durability": self.durability,
            "schema": f"{version} of {len(MIGRATIONS)}",
            "bytes": size,
        }

    def _open_connection(self) -> apsw.Connection:
        return connect(self.path, self.durability)


def migrate(connection: apsw.Connection) -> None:
    """Apply the migrations that are missing, each in one transaction. Several processes may start at once."""
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            at = standing(connection)
            refuse_unknown(at, len(MIGRATIONS))
            if at.applied < len(MIGRATIONS):
                connection.execute(MIGRATIONS[at.applied][1])
                connection.execute(f"PRAGMA user_version={at.applied + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if at.applied >= len(MIGRATIONS):
            return
