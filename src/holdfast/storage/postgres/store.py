"""The store: one writing connection, and a few that read."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import psycopg

from holdfast.core.errors import StorageRefused
from holdfast.core.job import Inserted, NewJob
from holdfast.core.retention import Retention
from holdfast.storage.postgres.connection import FORKED, Connector, Place, ReadingLines, translated
from holdfast.storage.postgres.copying import CopyingVerbs
from holdfast.storage.postgres.dialect import PostgresDialect
from holdfast.storage.postgres.enqueue_in_tx import JoiningVerbs
from holdfast.storage.postgres.fast_path import FastPath
from holdfast.storage.postgres.maintenance import MaintenanceVerbs
from holdfast.storage.postgres.migrate import migrate, standing
from holdfast.storage.postgres.reader import PostgresReader
from holdfast.storage.postgres.schema import MIGRATIONS
from holdfast.storage.postgres.transaction import keys_not_waited_for
from holdfast.storage.records.session import ReadSession, WriteSession
from holdfast.storage.records.verbs import RecordVerbs
from holdfast.storage.server_clock import ServerClock, ServerLeases


class PostgresWriter(MaintenanceVerbs, CopyingVerbs, FastPath, JoiningVerbs):
    """The writing verbs of `holdfast.storage.protocol` on one connection. Not thread-safe: the gateway sees to that."""

    def insert(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        if not any(job.unique_key or job.idempotency_key for job in jobs):
            return super().insert(jobs)
        with keys_not_waited_for():
            return super().insert(jobs)


class PostgresStore(RecordVerbs, PostgresWriter, PostgresReader):
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
        connector = Connector(place, durability)
        self._lines = ReadingLines(connector)
        server_clock = ServerClock()
        PostgresWriter.__init__(self, connector, retention or Retention(), clock, server_clock)
        PostgresReader.__init__(self, lambda: self._lines.reading(), clock, server_clock)
        time = self.transaction_time
        RecordVerbs.__init__(
            self,
            ReadSession(PostgresDialect(), ServerLeases(self.now), self.now, self._rows),
            WriteSession(PostgresDialect(), ServerLeases(time), time, self.fetch, self.change),
        )
        self._opened = False

    def open(self) -> None:
        if self._process != os.getpid():
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
        self._line = line
        self._lines = ReadingLines(self._connector)
        self._opened = True

    def close(self) -> None:
        if self._process != os.getpid():
            return
        self._lines.close()
        self._disconnect()
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
