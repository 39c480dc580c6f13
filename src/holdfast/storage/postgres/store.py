"""The store: one writing connection, and a few that read."""

from __future__ import annotations

import os
from collections.abc import Callable

import psycopg

from holdfast.core.errors import StorageRefused
from holdfast.core.retention import Retention
from holdfast.storage.command import Commands
from holdfast.storage.postgres.command import PostgresSteps
from holdfast.storage.postgres.connection import FORKED, Connector, Place, ReadingLines, translated
from holdfast.storage.postgres.copying import CopyingVerbs
from holdfast.storage.postgres.dialect import PostgresDialect
from holdfast.storage.postgres.enqueue_in_tx import JoiningVerbs
from holdfast.storage.postgres.fast_path import FastPath
from holdfast.storage.postgres.maintenance import MaintenanceVerbs
from holdfast.storage.postgres.migrate import migrate, standing
from holdfast.storage.postgres.reader import PostgresReader
from holdfast.storage.postgres.schema import MIGRATIONS
from holdfast.storage.postgres.transaction import Transactions
from holdfast.storage.postgres.writer import JobVerbs
from holdfast.storage.records.session import ReadSession, WriteSession
from holdfast.storage.records.verbs import RecordVerbs
from holdfast.storage.server_clock import ServerClock, ServerLeases


class PostgresStore(RecordVerbs, PostgresReader):
    """`postgresql://user@host/database`: for any number of processes on any number of hosts. Times are the server's.

    `clock`: another clock for tests, in microseconds since the epoch."""

    scheme = "postgresql"

    def __init__(
        self,
        place: Place,
        *,
        durability: str = "full",
        retention: Retention | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.place = place
        self.durability = durability
        server_clock, kept = ServerClock(), retention or Retention()
        self._connector = Connector(place, durability)
        self._lines = ReadingLines(self._connector)
        self._tx = Transactions(self._connector, clock, server_clock)
        self._opened = False
        PostgresReader.__init__(self, lambda: self._lines.reading(), clock, server_clock)
        dialect = PostgresDialect()
        RecordVerbs.__init__(
            self,
            ReadSession(dialect, ServerLeases(self.now), self.now, self._rows),
            WriteSession(dialect, ServerLeases(self._tx.now), self._tx.now, self._tx.fetch, self._tx.change),
        )
        self.transaction = self._tx.transaction
        self._jobs = JobVerbs(self._tx, kept)
        self.insert = self._jobs.insert
        self.claim = self._jobs.claim
        self.settle = self._jobs.settle
        self.report = self._jobs.report
        self.unlocked = self._jobs.unlocked
        commands = Commands(PostgresSteps(self._tx, kept))
        self.command = commands.command
        self.command_all = commands.command_all
        maintenance = MaintenanceVerbs(self._tx, kept)
        self.promote = maintenance.promote
        self.rescue = maintenance.rescue
        self.expire = maintenance.expire
        self.aggregate_events = maintenance.aggregate_events
        copying = CopyingVerbs(self._tx)
        self.seal = copying.seal
        self.load = copying.load
        self.execute = FastPath(self._tx, self._jobs).execute
        joining = JoiningVerbs(self._tx)
        self.lanes_exist = joining.lanes_exist
        self.create_lanes = joining.create_lanes
        self.insert_joined = joining.insert_joined
        self.insert_joined_async = joining.insert_joined_async

    def open(self) -> None:
        if self._tx.process != os.getpid():
            raise StorageRefused(FORKED)
        if self._opened:
            return
        line = self._connector.open()
        try:
            migrate(line, self.place)
        except psycopg.Error as error:
            line.db.close()
            raise translated(error) from error
        except BaseException:
            line.db.close()
            raise
        self._tx.line = line
        self._lines = ReadingLines(self._connector)
        self._opened = True

    def close(self) -> None:
        if self._tx.process != os.getpid():
            return
        self._lines.close()
        self._tx.disconnect()
        self._opened = False

    def ping(self) -> None:
        with self._lines.reading() as db:
            db.execute("SELECT 1")

    def info(self) -> dict[str, str | int]:
        with self._lines.reading() as db:
            row = db.execute(
                "SELECT current_setting('server_version'), current_setting('fsync'), coalesce((SELECT "
                "sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
                "AND relkind = 'r'), 0)::bigint"
            ).fetchone()
            version, fsync, size = row or ("", "", 0)
            return {
                "database": f"PostgreSQL {version}",
                "place": self.place.words,
                "fsync": str(fsync),
                "durability": self.durability,
                "schema": f"{standing(db).applied} of {len(MIGRATIONS)}",
                "bytes": int(size),
            }
