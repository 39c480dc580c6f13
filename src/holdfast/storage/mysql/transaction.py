"""The write transaction, whose last statements store the events of its changes."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pymysql

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.core.states import State
from holdfast.storage.errors import CommitUnknown, Contended
from holdfast.storage.mysql import statements as sql
from holdfast.storage.mysql.address import Address
from holdfast.storage.mysql.connection import FORKED, Connection, Row, connect, drop
from holdfast.storage.mysql.errors import DUPLICATE, in_our_words, is_gone
from holdfast.storage.mysql.literals import Value, row, rows
from holdfast.storage.server_clock import ServerClock, since_boot

STATE, REQUEST, PROGRESS, LOG, REMOVED, QUEUE, WORKER = range(7)
"""Kinds of events; the first two are the history of a job and live as long as it."""

MAX_UNSENT: Final = 4_000_000
"""Letters that are sent at once: well below the server's max_allowed_packet of 16 MB."""

IDLE_SECONDS: Final = 2.0
"""A connection that was not used for so long is tried before it is used: a server may have gone, or closed it."""


STILL_SECONDS: Final = 2
"""So long a transaction may stand still between two statements, where there is nothing to wait for. A host that loses power
in the middle of one keeps its rows for so long, the leader's among them; so this is less than a short lease. MySQL has no
such limit."""


class WritingSession:
    """The one writing connection of a store. Not thread-safe: the gateway sees to that."""

    def __init__(
        self,
        address: Address,
        clock: Callable[[], int] | None,
        server_clock: ServerClock,
    ) -> None:
        self._address = address
        self._server_clock = server_clock
        self._clock = clock
        self._time = 0
        self._told: list[tuple[Value, ...]] = []
        self._moved: Counter[tuple[str, str, str]] = Counter()
        self._unsent: list[str] = []
        self._letters = 0
        self._connection: Connection | None = None
        self._cursor: Any = None
        self.step = 1
        self.is_mariadb = True
        self._used = 0.0
        self._answered_at = self._stood = 0.0
        self._process = os.getpid()

    @contextmanager
    def transaction(self, *, sealed: bool = False) -> Generator[None]:
        if self._process != os.getpid():
            raise StorageRefused(FORKED)
        self._told.clear()
        self._moved.clear()
        self._unsent.clear()
        committing = False
        try:
            self._begin(sealed)
            yield
            self._tell_all()
            committing = True
            self.run("COMMIT")
        except (pymysql.Error, OSError) as error:
            self._roll_back(error)
            if is_gone(error) and self._stood > STILL_SECONDS:
                raise Contended(
                    f"This process stood still for {self._stood:.1f} s in the middle of a transaction, which the server has "
                    "ended for the sake of others. Nothing was stored; repeat the call."
                ) from error
            if committing and is_gone(error):
                raise CommitUnknown from error
            ours = in_our_words(error, self._address.shown)
            if ours is None:
                raise
            raise ours from error
        except BaseException as error:
            self._roll_back(error)
            raise
        finally:
            self._used = time.monotonic()

    def close_writing(self) -> None:
        """Close the connection; a later transaction opens another one."""
        if self._connection is not None:
            drop(self._connection)
        self._connection = self._cursor = None

    def _begin(self, sealed: bool) -> None:
        """The server begins a transaction by itself, with the first statement, which tells the time and the seal."""
        self._be_connected()
        self._answered_at = time.monotonic()
        asked = since_boot()
        [(told, words)] = self.run(sql.BEGIN_SEALED if sealed else sql.BEGIN)
        self._server_clock.set(int(told), asked)
        self._time = int(told) if self._clock is None else self._clock()
        if words is not None:
            raise StorageUnavailable(words)

    def _be_connected(self) -> None:
        if self._connection is not None and time.monotonic() - self._used > IDLE_SECONDS:
            try:
                self._connection.ping(reconnect=False)
            except (pymysql.Error, OSError):
                self.close_writing()
        if self._connection is None:
            self._connection, server = connect(self._address, several=True)
            self._cursor = self._connection.cursor()
            self.is_mariadb = server.is_mariadb
            if self.is_mariadb:
                self.run(f"SET SESSION idle_transaction_timeout = {STILL_SECONDS}")
            [(self.step,)] = self.run("SELECT @@auto_increment_increment")

    def _roll_back(self, error: BaseException) -> None:
        if self._connection is None:
            return
        whole = isinstance(error, Exception) and not is_gone(error)
        try:
            if whole:
                self._connection.rollback()
        except (pymysql.Error, OSError):
            whole = False  # the server rolls back what it hears no more of
        if not whole:  # lost, or interrupted in the middle of an answer
            self.close_writing()

    def now(self) -> int:
        """The time of the open transaction."""
        return self._time

    @property
    def last_id(self) -> int:
        """The number of the first row that the last INSERT has stored."""
        return int(self._cursor.lastrowid)

    # -- statements -------------------------------------------------------------------------------------------------------

    def run(self, statement: str, *values: Value) -> Sequence[Row]:
        """The rows of one statement; `values` are bound by the driver. Without values, the text stands as it is."""
        self.write(statement, *values)
        self._send()
        return self._cursor.fetchall()

    def change(self, statement: str, *values: Value) -> int:
        """The number of rows that one statement has matched. Sent alone, so that its error is its own."""
        if self._unsent:
            self._send()
        return self._execute(statement, values or None)

    def write(self, statement: str, *values: Value) -> None:
        """One statement that nothing here waits for: it goes to the server with the next one that is waited for, the commit
        at the latest. A round trip costs as much as a few rows."""
        text = self._cursor.mogrify(statement, values) if values else statement
        self._unsent.append(text)
        self._letters += len(text)
        if self._letters > MAX_UNSENT:
            self._send()

    def _send(self) -> None:
        """Let the server do what it has not heard of yet; the rows of the last statement are what the cursor has then."""
        text = ";".join(self._unsent)
        self._unsent.clear()
        self._letters = 0
        self._execute(text)
        while self._cursor.nextset():
            pass

    def _execute(self, text: str, values: Sequence[Value] | None = None) -> int:
        """Wait for the server's answer, and note how long it had nothing to do before."""
        self._stood = time.monotonic() - self._answered_at
        matched = int(self._cursor.execute(text, values))
        self._answered_at = time.monotonic()
        return matched

    def held_already(self, statement: str, *values: Value) -> bool:
        """Store one row; whether its key was there already. A failed statement is undone by itself."""
        try:
            self.change(statement, *values)
        except pymysql.err.IntegrityError as error:
            if error.args[0] != DUPLICATE:
                raise
            return True
        return False

    # -- events -----------------------------------------------------------------------------------------------------------

    def tell(
        self,
        kind: int,
        at: int,
        job: int | None = None,
        state: str | None = None,
        previous: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        attempt: int | None = None,
        worker: str | None = None,
    ) -> None:
        """An event of this transaction; it is written as the last thing in it."""
        self._told.append((at, kind, job, state, previous, reason, actor, attempt, worker))

    def tell_move(
        self,
        lane: tuple[str, str],
        at: int,
        job: int,
        state: State,
        previous: str | None,
        reason: str | None = None,
        actor: str | None = None,
        attempt: int = 0,
        worker: str | None = None,
    ) -> None:
        """A job of this queue and type has come, or has changed its state."""
        self.tell(STATE, at, job, state, previous, reason, actor, attempt, worker)
        self.count(lane, previous, state)

    def count(self, lane: tuple[str, str], previous: str | None, state: str | None) -> None:
        if previous is not None:
            self._moved[*lane, previous] -= 1
        if state is not None:
            self._moved[*lane, state] += 1

    def _tell_all(self) -> None:
        if not self._told:
            return
        count = len(self._told)
        self.write(sql.NUMBERS, count)
        numbered = [f"({sql.NUMBER} - {count - n}," + row(event)[1:] for n, event in enumerate(self._told, 1)]
        self.write(sql.TELL + ",".join(numbered))
        self.count_all()

    def count_all(self) -> None:
        if counted := [(*key, n) for key, n in sorted(self._moved.items()) if n]:
            self.write(sql.COUNT + rows(counted) + sql.COUNTED)

    def forget_told(self, jobs: set[int]) -> None:
        """Leave out what this transaction had to tell of the history of jobs that it removes."""
        self._told = [
            event for event in self._told if event[2] not in jobs or event[1] not in (STATE, REQUEST)
        ]

    # -- what several verbs need ------------------------------------------------------------------------------------------

    def make_ready(self, jobs: Sequence[tuple[str, str, int, int]]) -> None:
        """Let jobs be claimed: (queue, type, priority, seq) of each."""
        if jobs:
            entries = [(queue, type_, -priority, seq) for queue, type_, priority, seq in jobs]
            self.write(sql.INSERT_READY + rows(entries))

    def note_times(self, statement: str, times: Sequence[tuple[int | None, int]]) -> None:
        """(time, seq) of jobs that are due or expire; those without a time are neither."""
        known = [(at, seq) for at, seq in times if at is not None]
        if known:
            self.write(statement + rows(known))
