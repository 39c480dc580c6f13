"""Signals through PostgreSQL: LISTEN and NOTIFY, on a connection of its own.

A signal carries nothing but its channel, `holdfast:<namespace>:<topic>`; the namespace is the schema of the store, so that
two installations in one database do not wake each other. NOTIFY is sent outside the transactions that store jobs: it takes
a lock on the whole database until its commit is done. Only the first of a while is sent with the commit that it
announces: that is when a worker may be idle, and it wakes half a millisecond earlier. One connection serves both directions;
it needs a session of its own, which PgBouncer gives in session mode only.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, cast

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict

from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.urls import split_url
from holdfast.runtime.signals.broker import BrokerSignals
from holdfast.runtime.signals.line import DEADLINE, Ends, Line, Opener
from holdfast.runtime.signals.options import SignalOptions
from holdfast.storage.topics import Topic

GRACE: Final = 0.003
"""Seconds for the next commit to take a joined signal along, which costs less than to send it."""

MAX_NAMESPACE: Final = 40
"""Bytes of the namespace that a channel carries: PostgreSQL takes names of 63."""

ALIVE: Final = {
    "connect_timeout": int(DEADLINE),
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "holdfast signals",
}

POOLED: Final = (
    "there is a connection pooler before the server, which keeps no LISTEN; let HOLDFAST_SIGNALS_URL name the server "
    "itself, or be poll: to look instead"
)


def make(url: str, options: SignalOptions) -> BrokerSignals:
    """Signals through LISTEN and NOTIFY in the database of `url`."""
    try:
        given = conninfo_to_dict(connection_string(url))
    except (ValueError, psycopg.ProgrammingError):
        message = "cannot be read; use postgresql://user@host:5432/database"
        raise ConfigurationError([Problem(("signals_url",), message)]) from None

    async def opener(ends: Ends) -> Line:
        connection = await psycopg.AsyncConnection.connect(autocommit=True, **cast(Any, ALIVE | given))
        line = PostgresLine(connection, options.namespace, ends)
        try:
            await line.begin()
        except BaseException:
            await line.close()
            raise
        return line

    host = given.get("host") or given.get("hostaddr") or "local"
    word = f"PostgreSQL LISTEN/NOTIFY, {host}:{given.get('port') or 5432}/{given.get('dbname') or ''}"
    return PostgresSignals(word, opener, options.namespace, own=options.own)


class PostgresSignals(BrokerSignals):
    """Signals through LISTEN and NOTIFY, which a transaction of the caller can send too (`ToldAtCommit`)."""

    def __init__(self, word: str, opener: Opener, namespace: str, *, own: bool) -> None:
        super().__init__(word, opener)
        self._namespace = namespace
        self._own = own
        self._grace = GRACE if own else 0.0

    def channels(self, topics: Iterable[Topic]) -> list[str]:
        return list(self._channels_of(topics).values())

    def at_commit(self, topics: Iterable[Topic]) -> dict[Topic, str]:
        return self._channels_of(self.take_free(topics)) if self._own else {}

    def _channels_of(self, topics: Iterable[Topic]) -> dict[Topic, str]:
        return {topic: channel(self._namespace, topic) for topic in topics}


def channel(namespace: str, topic: Topic) -> str:
    """The channel of a topic."""
    return f"holdfast:{namespace.encode()[:MAX_NAMESPACE].decode(errors='ignore')}:{topic}"


def connection_string(url: str) -> str:
    """What libpq understands of a URL: parameters of ours are left out."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    parts = split_url(url)
    ours = (pair.partition("=")[0] for pair in parts.query)
    return str(replace(parts.without(*(name for name in ours if name not in known)), scheme="postgresql"))


class PostgresLine:
    """One connection, for both directions."""

    def __init__(
        self, connection: psycopg.AsyncConnection[tuple[Any, ...]], namespace: str, ends: Ends
    ) -> None:
        self._connection = connection
        self._ends = ends
        self._channels = {topic: channel(namespace, topic) for topic in Topic}
        self._topics = {name: topic for topic, name in self._channels.items()}
        self._loop = asyncio.get_running_loop()
        self._socket = connection.pgconn.socket
        connection.add_notify_handler(self._heard)

    async def begin(self) -> None:
        """Make sure that the server itself is at the other end; a pooler returns the id of another process."""
        (process,) = await self._ask("SELECT pg_backend_pid()")
        if process != self._connection.info.backend_pid:
            raise ConnectionError(POOLED)
        await self._ask("SET synchronous_commit = off")  # a hint need not be on the disk before it is heard

    async def subscribe(self, topics: Iterable[Topic]) -> None:
        for topic in topics:
            await self._ask(sql.SQL("LISTEN {}").format(sql.Identifier(self._channels[topic])))

    async def publish(self, topics: Iterable[Topic]) -> None:
        names = [self._channels[topic] for topic in topics]
        await self._ask("SELECT pg_notify(name, '') FROM unnest(%s::text[]) AS name", [names])

    async def ping(self) -> None:
        await self._ask("SELECT 1")

    async def close(self) -> None:
        self._loop.remove_reader(self._socket)
        await self._connection.close()

    async def _ask(self, query: sql.Composed | str, values: list[Any] | None = None) -> tuple[Any, ...]:
        """Run a statement; psycopg itself reads the connection meanwhile, and passes on the signals that come between."""
        self._loop.remove_reader(self._socket)
        timer = self._loop.call_later(DEADLINE, self._hang_up)
        try:
            cursor = await self._connection.execute(cast(Any, query), values)
            row = await cursor.fetchone() if cursor.description else None
        finally:
            timer.cancel()
        self._loop.add_reader(self._socket, self._read)
        self._read()
        return row or ()

    def _hang_up(self) -> None:
        """End a call without a reply. Cancelling it would need the server, over a connection that is probably dead too."""
        with socket.socket(fileno=os.dup(self._socket)) as connection:
            connection.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        try:
            self._connection.pgconn.consume_input()
            while found := self._connection.pgconn.notifies():
                self._tell(found.relname.decode())
        except psycopg.Error as error:
            self._loop.remove_reader(self._socket)
            self._ends.lost(error)

    def _heard(self, found: psycopg.Notify) -> None:
        self._tell(found.channel)

    def _tell(self, name: str) -> None:
        if name in self._topics:
            self._ends.heard(self._topics[name])
