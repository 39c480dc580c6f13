"""The write transaction: its time, its place in the feed, the read-only lock, and the counts."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg

from holdfast.core.dump import Seal
from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.storage.errors import KeyPending
from holdfast.storage.postgres import statements as sql
from holdfast.storage.postgres.arrays import numbers, texts
from holdfast.storage.postgres.connection import (
    FORKED,
    Connection,
    Connector,
    Line,
    run,
    translated,
    uncertain,
)
from holdfast.storage.records.dialect import Value
from holdfast.storage.server_clock import ServerClock, since_boot

Lane: TypeAlias = tuple[str, str, int]
"""Queue, type and priority."""


class Transactions:
    """The one writing connection of a process, which is opened again when it was lost.

    A transaction begins with one round trip: it takes the shared lock of the seal, reads seal and server time, and takes its
    place in the feed (see `schema`). What it has changed in numbers of jobs goes into `counts` on the way to the commit.
    """

    def __init__(
        self, connector: Connector, clock: Callable[[], int] | None, server_clock: ServerClock
    ) -> None:
        self.connector = connector
        self.clock = clock
        self.server_clock = server_clock
        self.line: Line | None = None
        self.process = os.getpid()
        self.time: int = 0
        """The time of the open transaction."""
        self._moved = Counter[tuple[int, str]]()
        self.lanes: dict[Lane, int] = {}
        self._new_lanes: dict[Lane, int] = {}
        self.seal_lock = connector.place.lock_class
        self._begin_sql = (
            f"SELECT pg_advisory_xact_lock_shared({connector.place.lock_class}, (last_value & 2147483647)::integer), "
            "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, "
            "(SELECT value FROM meta WHERE name = 'sealed') FROM event_seq"
        )

    @property
    def db(self) -> Connection:
        assert self.line is not None  # a verb runs within a transaction
        return self.line.db

    def now(self) -> int:
        """The time of the open transaction."""
        return self.time

    @contextmanager
    def transaction(self, *, sealed: bool = False) -> Generator[None]:
        if self.process != os.getpid():
            raise StorageRefused(FORKED)
        self._moved.clear()
        self._new_lanes.clear()
        try:
            seal = self._begin(sealed)
            if seal is not None and not sealed:
                raise StorageUnavailable(Seal(*json.loads(seal)).words)
            yield
        except psycopg.Error as error:
            self.roll_back(error)
            raise translated(error) from error
        except BaseException as error:
            self.roll_back(error)
            raise
        try:
            run(self.db, self._counted() + "COMMIT")
        except psycopg.Error as error:
            self.roll_back(error)
            raise uncertain(error) from error
        except BaseException:
            self.disconnect()  # interrupted: what became of it is not known, so neither is the connection
            raise
        self.lanes |= self._new_lanes

    def _begin(self, sealed: bool) -> str | None:
        """Begin, and answer the seal. A connection that was lost while nothing was under way is opened again."""
        if self.line is not None and self.line.usable:
            try:
                return self._begin_on(self.line, sealed)
            except psycopg.OperationalError:
                if self.line.usable:
                    raise
        self.disconnect()
        self.line = self.connector.open()
        return self._begin_on(self.line, sealed)

    def _begin_on(self, line: Line, sealed: bool) -> str | None:
        asked = since_boot()
        guard = "" if sealed else f"SELECT pg_advisory_xact_lock_shared({self.seal_lock}::bigint);"
        answers = run(line.db, f"BEGIN;{line.local}{guard}{self._begin_sql}")
        while answers.nextset():
            pass
        row = answers.fetchone()
        assert row is not None  # `event_seq` is one row
        self.server_clock.set(int(row[1]), asked)
        self.time = int(row[1]) if self.clock is None else self.clock()
        return row[2]

    def roll_back(self, error: BaseException) -> None:
        """Roll back after this error; the connection is given up where it may not be usable any more."""
        if self.line is None:
            return
        keep = self.line.usable and not isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
        if keep and isinstance(error, Exception):
            try:
                run(self.line.db, "ROLLBACK")
                return
            except psycopg.Error:
                pass  # the server rolls back what it can no longer hear of
        self.disconnect()

    def disconnect(self) -> None:
        """Close the connection; the next transaction opens another one."""
        line, self.line = self.line, None
        if line is not None:
            line.db.close()

    def fetch(self, statement: str, values: Sequence[Value]) -> list[tuple[Any, ...]]:
        """The rows of a statement in the open transaction."""
        return self.db.execute(statement.encode(), values or None).fetchall()

    def change(self, statement: str, values: Sequence[Value]) -> int:
        """Run a statement in the open transaction. Returns how many rows it has matched."""
        return self.db.execute(statement.encode(), values or None).rowcount

    # -- counts and lanes -------------------------------------------------------------------------------------------------

    def count(self, lane: int, before: str | None, after: str | None, jobs: int = 1) -> None:
        """So many jobs of a lane have changed their state."""
        if before is not None:
            self._moved[lane, before] -= jobs
        if after is not None:
            self._moved[lane, after] += jobs

    def _counted(self) -> str:
        rows = ", ".join(f"({lane}, '{state}', {n})" for (lane, state), n in self._moved.items() if n)
        return f"INSERT INTO counts (lane, state, n) VALUES {rows};" if rows else ""

    def lane_ids(self, wanted: Iterable[Lane]) -> dict[Lane, int]:
        """The number of every lane that is wanted; new lanes are made."""
        known = self.lanes | self._new_lanes if self._new_lanes else self.lanes
        missing = [lane for lane in dict.fromkeys(wanted) if lane not in known]
        if not missing:
            return known
        queues, types, priorities = zip(*missing, strict=True)
        arrays = {"queue": texts(queues), "type": texts(types), "priority": numbers(priorities)}
        for statement in (sql.LANES, sql.ADD_LANES, sql.LANES):
            found = self.db.execute(statement, arrays)
            if statement is sql.LANES:
                self._new_lanes |= {(queue, type_, priority): lane for queue, type_, priority, lane in found}
                if all(lane in self._new_lanes for lane in missing):
                    break
        return self.lanes | self._new_lanes


@contextmanager
def keys_not_waited_for() -> Generator[None]:
    """Around what may take the key of a job, and waits for nothing else: one that a foreign transaction holds is waited for
    as shortly as any lock, and is KeyPending then, because others stand behind this transaction."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise KeyPending(
            "A transaction that has not ended holds the key of this job (perhaps your own: then say tx= here too). "
            "Nothing was stored; repeat the call when it has ended."
        ) from error
