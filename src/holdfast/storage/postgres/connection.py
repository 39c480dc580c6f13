"""Opens connections to the server, with a deadline for everything, and translates their errors.

No session state is relied on behind a pooler such as PgBouncer. Whether there is one is detected, not configured: the
server process that responds is then not the one that the connection was told of. Settings then travel with
each transaction, and nothing is prepared.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, LiteralString, TypeAlias, TypeVar, cast
from urllib.parse import quote
from weakref import WeakSet

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from holdfast.core.errors import ConfigurationError, Problem, StorageRefused, StorageUnavailable
from holdfast.core.urls import split_url
from holdfast.storage.errors import CommitUnknown, Contended

MIN_SERVER: Final = 140000
READERS: Final = 4
"""Reading connections of one process at most."""

TIMEOUT: Final = 10.0
"""Seconds to wait for a reading connection."""

WRITE_MS: Final = 10_000
READ_MS: Final = 8_000
"""Milliseconds after which the server gives up a statement."""

LOCK_MS: Final = 50
LONG_LOCK_MS: Final = 5_000
"""Milliseconds for which a lock of somebody else's is waited for: everything of the process waits meanwhile, and what needs
the row comes again. The longer time is for what waits by itself: reading, and the steps of the schema."""

STILL_MS: Final = 2_000
"""Milliseconds that a transaction may stand still between two statements, where there is nothing to wait for. A host that
loses power in the middle of one keeps its rows for so long, the leader's among them; so this is less than a short lease."""

PLANS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Every statement that writes leads from a few keys to their rows, by index, and is planned once. Left to itself, the server
plans while the tables are small, takes them whole, and keeps to that when they have grown."""

SILENCE: Final = 12.0
"""Seconds without an answer after which a connection is given up by ourselves: a server that hangs, or a network that keeps
connections open and moves nothing, breaks no connection."""

FORKED = "This store was opened before a fork; a connection to PostgreSQL must not cross it. Open one in each process."

T = TypeVar("T")
Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]


class Bounded(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits for no answer longer than its `silence`."""

    silence = SILENCE

    def wait(self, gen: PQGen[T], interval: float = 0.5, timeout: float | None = None) -> T:
        # older drivers do not know `timeout`, and hand none in
        more = {} if timeout is None else {"timeout": timeout}
        return super().wait(self._bounded(gen), interval, **more)

    def _bounded(self, gen: PQGen[T]) -> PQGen[T]:
        deadline = time.monotonic() + self.silence
        try:
            asked = next(gen)
            while True:
                ready = yield asked
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.silence:g} s")
                asked = gen.send(ready)
        except StopIteration as end:
            return end.value


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL names: the server and database (for libpq), and the PostgreSQL schema that holds our tables."""

    target: str
    schema: str
    words: str
    """The place for people, without a password."""

    @property
    def lock_class(self) -> int:
        """The class of the advisory locks that belong to this schema."""
        return zlib.crc32(f"holdfast {self.schema}".encode()) & 0x7FFFFFFF


def read_url(url: str) -> Place:
    """The place that `postgresql://user@host/database?schema=name` names; everything else in it is libpq's. Raises
    ConfigurationError, whose words show nothing of the URL."""
    try:
        parts = split_url(url)
        schema = parts.parameter("schema")
        target = replace(parts.without("schema"), scheme="postgresql")
        known = conninfo_to_dict(str(target))
    except psycopg.ProgrammingError:
        raise _refused("cannot be read; use postgresql://user@host:5432/database") from None
    except ValueError as error:
        raise _refused(f"{error}; use postgresql://user@host:5432/database") from None
    schema = "holdfast" if schema is None else schema
    if not schema or len(schema.encode()) > 60 or "\0" in schema or schema.startswith("pg_"):
        raise _refused("names no usable schema; use ?schema=holdfast")
    return Place(str(target), schema, _shown(known, schema))


def _shown(known: Mapping[str, Any], schema: str) -> str:
    """The place as a URL that libpq would take, without password: a socket's folder is a host that begins with a slash."""

    def listed(name: str) -> list[str]:
        return str(known.get(name) or "").split(",")

    hosts = listed("host") if known.get("host") else listed("hostaddr")
    ports = listed("port")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    user = f"{quote(str(known['user']), safe='')}@" if known.get("user") else ""
    servers = ",".join(
        (f"[{host}]" if ":" in host else quote(host, safe="")) + (f":{port}" if port else "")
        for host, port in zip(hosts, ports, strict=True)
    )
    return f"postgresql://{user}{servers}/{quote(str(known.get('dbname') or ''), safe='')}?schema={quote(schema, safe='')}"


def _refused(words: str) -> ConfigurationError:
    return ConfigurationError([Problem(("database_url",), words)])


class Line:
    """One connection, and the SQL by which a transaction on it begins."""

    __slots__ = ("db", "local")

    def __init__(self, db: Connection, local: str) -> None:
        self.db = db
        self.local = local
        """Settings that each transaction must say again, with a semicolon behind each; "" without a pooler."""

    @property
    def usable(self) -> bool:
        return not self.db.closed and self.db.info.transaction_status is not TransactionStatus.UNKNOWN


class Connector:
    """Opens lines to one place. `durability`: "normal" does not wait for the disk of the server."""

    def __init__(self, place: Place, durability: str) -> None:
        self.place = place
        self._durability = durability

    def open(self, *, reading: bool = False) -> Line:
        """A new line, in autocommit. Raises StorageUnavailable, or StorageRefused for a server that is too old or a database
        that is not UTF-8."""
        try:
            db = Bounded.connect(self.place.target, **self._options())
        except psycopg.Error as error:
            raise translated(error) from None  # what stands behind it may show how we connect
        try:
            guard(db)
            if db.info.server_version < MIN_SERVER:
                raise StorageRefused(
                    f"{self.place.words} is PostgreSQL {db.info.server_version // 10000}; at least 14 is needed."
                )
            encoding = db.info.parameter_status("server_encoding")
            if encoding not in ("UTF8", None):
                raise StorageRefused(
                    f"{self.place.words}: the database has the encoding {encoding}; UTF8 is needed to store what a job may "
                    "say. Make another one: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
                )
            pid = db.execute("SELECT pg_backend_pid()").fetchone()
            if pid != (db.info.backend_pid,):
                db.prepare_threshold = None
                return Line(db, self._settings(reading, local=True))
            db.execute(_sql(self._settings(reading, local=False)))
            return Line(db, "")
        except psycopg.Error as error:
            db.close()
            raise translated(error) from error
        except BaseException:
            db.close()
            raise

    def _options(self) -> dict[str, Any]:
        own: dict[str, Any] = {
            "application_name": "holdfast",
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "target_session_attrs": "read-write",
        }
        given = conninfo_to_dict(self.place.target)
        return {name: value for name, value in own.items() if name not in given} | {
            "client_encoding": "UTF8",  # any other cannot carry all that a job may say
            "autocommit": True,
            "prepare_threshold": 2,
        }

    def _settings(self, reading: bool, *, local: bool) -> str:
        quoted = self.place.schema.replace('"', '""')
        settings = {
            "search_path": f'"{quoted}"',
            "statement_timeout": str(READ_MS if reading else WRITE_MS),
            "lock_timeout": str(LONG_LOCK_MS if reading else LOCK_MS),
            "idle_in_transaction_session_timeout": str(STILL_MS),
            "jit": "off",
            "default_transaction_isolation": "'read committed'",
        }
        if reading:
            settings["transaction_read_only" if local else "default_transaction_read_only"] = "on"
        else:
            settings |= PLANS
            if self._durability == "normal":
                settings["synchronous_commit"] = "off"
        word = "SET LOCAL" if local else "SET"
        script = "".join(f"{word} {name} = {value};" for name, value in settings.items())
        if not reading and self._durability != "normal":
            # whoever has switched it off for the whole server did not mean what we have promised
            script += (
                f"SELECT set_config('synchronous_commit', 'on', {str(local).lower()}) "
                "WHERE current_setting('synchronous_commit') = 'off';"
            )
        return script


class ReadingLines:
    """At most READERS lines for reading, opened when they are needed, for the threads of one process."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._places = threading.BoundedSemaphore(READERS)
        self._idle: deque[Line] = deque()
        self._process = os.getpid()
        self._closed = False

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A connection for a few short reads; errors come out in our words. Raises StorageUnavailable."""
        if self._process != os.getpid():
            raise StorageRefused(FORKED)
        if not self._places.acquire(timeout=TIMEOUT):
            raise StorageUnavailable(f"No reading connection was free within {TIMEOUT:g} s. Repeat the call.")
        try:
            line = self._idle.pop() if self._idle else self._connector.open(reading=True)
            try:
                yield from self._on(line)
            except psycopg.Error as error:
                raise translated(error) from error
            finally:
                if not self._closed and line.db.info.transaction_status is TransactionStatus.IDLE:
                    self._idle.append(line)
                else:
                    line.db.close()
        finally:
            self._places.release()

    def _on(self, line: Line) -> Generator[Connection]:
        if not line.local:
            yield line.db
            return
        line.db.execute(_sql(f"BEGIN;{line.local}"))
        try:
            yield line.db
        finally:
            if line.usable:
                line.db.execute("ROLLBACK")

    def close(self) -> None:
        """Close what is idle; what is in use is closed after its use. Idempotent."""
        self._closed = True
        while self._idle:
            self._idle.pop().db.close()


def run(db: Connection, script: str) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run one statement or several, without parameters, in one round trip."""
    return db.execute(_sql(script))


def _sql(text: str) -> LiteralString:
    """SQL made of our own constants and of a schema name that is quoted."""
    return cast(LiteralString, text)


AGAIN = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
"""Errors that end a transaction for the sake of others: run again, it passes."""
GONE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
)
"""Errors that speak of the server or the way to it, not of one operation: everything waiting fails alike."""

REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
)
"""Errors that mean the role or the schema is not fit for us: no operation of ours is to blame, and none can succeed."""


def translated(error: psycopg.Error) -> Exception:
    """The error in our words where it speaks of the database; as it came where it speaks of one operation."""
    if isinstance(error, AGAIN):
        return Contended(
            f"Others were in the way of this call ({_first_line(error)}). Nothing was stored; repeat it."
        )
    if isinstance(error, REFUSED):
        return StorageRefused(
            f"The database cannot be used as it is: {_first_line(error)}. The role needs every right on our tables: "
            "GRANT USAGE ON SCHEMA, GRANT ALL ON ALL TABLES, SEQUENCES and ROUTINES IN SCHEMA; or let it own the schema."
        )
    if not isinstance(error, GONE):
        return error
    what = _first_line(error)
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        what = "this server takes no writes (a standby, or a primary that was replaced)"
    return StorageUnavailable(
        f"The database does not serve: {what}. Nothing of this call is known to be stored; repeat it when that is mended."
    )


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().partition("\n")[0] or type(error).__name__


def uncertain(error: psycopg.Error) -> Exception:
    """A COMMIT without an answer: it may stand or not."""
    if isinstance(error, GONE) and error.sqlstate is None:
        return CommitUnknown()
    return translated(error)


# -- forks ------------------------------------------------------------------------------------------------------------------

_open: WeakSet[Connection] = WeakSet()
_inherited: list[Connection] = []


def guard(db: Connection) -> None:
    """From now on a fork leaves this connection alone: the child keeps what it has copied, and never frees it."""
    _open.add(db)


def _in_child() -> None:
    _inherited.extend(_open)
    _open.clear()


os.register_at_fork(after_in_child=_in_child)
