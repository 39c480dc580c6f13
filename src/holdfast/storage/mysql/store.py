"""The store: an address, its one writing connection, and its readers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from holdfast.core.retention import Retention
from holdfast.storage.command import Commands
from holdfast.storage.mysql.address import Address
from holdfast.storage.mysql.claim import ClaimVerbs
from holdfast.storage.mysql.command import MysqlSteps
from holdfast.storage.mysql.connection import Server, connect, drop
from holdfast.storage.mysql.copying import CopyingVerbs
from holdfast.storage.mysql.dialect import MysqlDialect
from holdfast.storage.mysql.insert import InsertVerbs
from holdfast.storage.mysql.maintenance import MaintenanceVerbs
from holdfast.storage.mysql.migrate import migrate
from holdfast.storage.mysql.reader import MysqlReader
from holdfast.storage.mysql.record_session import RecordSession
from holdfast.storage.mysql.schema import MIGRATIONS
from holdfast.storage.mysql.settle import SettleVerbs
from holdfast.storage.mysql.transaction import WritingSession
from holdfast.storage.records.session import ReadSession
from holdfast.storage.records.verbs import RecordVerbs
from holdfast.storage.server_clock import ServerClock, ServerLeases

FLUSH: Final = {
    0: "none: what was acknowledged in the last second is lost when the server dies (innodb_flush_log_at_trx_commit=0)",
    1: "full",
    2: "normal: what was acknowledged in the last second is lost in a power cut (innodb_flush_log_at_trx_commit=2)",
}


class MysqlStore(RecordVerbs, MysqlReader):
    """`mysql://user:password@host:port/database`: the whole of Holdfast in one database, for any number of hosts.

    How durable an acknowledged transaction is the server decides for all of its users; `info` shows it. Without `clock`,
    times and leases are by the server's clock.

    A writing verb locks the rows that it may change, in the order of seq, decides, and writes a few statements for all of
    them, each with the guard written out: no `RETURNING` is needed, which only one of the two servers has."""

    scheme = "mysql"

    def __init__(
        self, address: Address, *, retention: Retention | None = None, clock: Callable[[], int] | None = None
    ) -> None:
        self.address = address
        self._server_clock, kept = ServerClock(), retention or Retention()
        self._tx = WritingSession(address, clock, self._server_clock)
        MysqlReader.__init__(self, address, clock, self._server_clock)
        reading = ReadSession(
            MysqlDialect(), ServerLeases(self.now), self.now, lambda sql, values: self._rows(sql, *values)
        )
        RecordVerbs.__init__(self, reading, RecordSession(self._tx))
        self.transaction = self._tx.transaction
        self.close_writing = self._tx.close_writing
        self.insert = InsertVerbs(self._tx).insert
        self.claim = ClaimVerbs(self._tx).claim
        settling = SettleVerbs(self._tx, kept)
        self.settle = settling.settle
        self.report = settling.report
        self.unlocked = settling.unlocked
        commands = Commands(MysqlSteps(self._tx, kept))
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

    def open(self) -> None:
        if self._opened_in is not None:
            self._check_process()
            return
        connection, server = connect(self.address)
        try:
            migrate(connection, server, self._server_clock)
        finally:
            drop(connection)
        self._opened_in = os.getpid()

    def close(self) -> None:
        if self._opened_in == os.getpid():
            self.close_reading()
            self.close_writing()
        self._opened_in = None

    def ping(self) -> None:
        self.last_event()

    def info(self) -> dict[str, str | int]:
        sql = """SELECT @@version, @@innodb_flush_log_at_trx_commit, (SELECT count(*) FROM holdfast_migrations),
                 (SELECT CAST(coalesce(sum(data_length + index_length), 0) AS SIGNED) FROM information_schema.tables
                  WHERE table_schema = DATABASE())"""
        [(version, flush, applied, size)] = self._rows(sql)
        return {
            "database": Server(version).name,
            "place": self.address.shown,
            "durability": FLUSH.get(flush, f"unknown (innodb_flush_log_at_trx_commit={flush})"),
            "schema": f"{applied} of {len(MIGRATIONS)}",
            "bytes": int(size),
        }
