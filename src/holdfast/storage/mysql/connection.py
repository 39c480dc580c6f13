"""Opens connections to MariaDB and MySQL, with a deadline for each call; refuses servers that lack a needed feature."""

from __future__ import annotations

import os
import re
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import pymysql
from pymysql.constants import CLIENT

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.storage.mysql.address import Address
from holdfast.storage.mysql.errors import in_our_words, is_gone

Connection: TypeAlias = "pymysql.connections.Connection[Any]"
Row: TypeAlias = tuple[Any, ...]

MIN_MARIADB: Final = (10, 6)
MIN_MYSQL: Final = (8, 0, 17)
"""SKIP LOCKED is there since 10.6 and 8.0.1; a collation that neither folds letters nor drops blanks since 8.0.17."""

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
"""A server that says nothing for so long is taken for lost."""
LOCK_SECONDS: Final = 1
"""So long a lock of somebody else's is waited for, the least that the server can: everything of the process waits meanwhile.
Rows of jobs, which people lock, are not waited for (NOWAIT): what needs one comes again."""
LONG_LOCK_SECONDS: Final = 5
"""The same for what waits by itself."""
READ_SECONDS: Final = 20
"""A reading statement that takes longer is stopped by the server."""
MAX_READERS: Final = 8
"""Reading connections of a process: enough for its threads, few enough for the server's max_connections of 151."""
TIMEOUT: Final = 15.0
MODE: Final = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
"""No value is cut to fit, and a backslash in a text is what the driver takes it for."""

FORKED: Final = (
    "This store was opened before a fork; its connections belong to the parent. Open one in each process."
)

_VERSION = re.compile(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)(.*)")


class Server:
    """What the server said of itself when it was greeted."""

    def __init__(self, text: str) -> None:
        found = _VERSION.match(text)
        self.text = text.removeprefix(
            "5.5.5-"
        )  # older clients were told so that they would not be afraid of a 10
        self.version = tuple([int(part) for part in found.groups()[:3]] if found else [0])
        self.is_mariadb = "mariadb" in text.lower()

    @property
    def name(self) -> str:
        return f"{'MariaDB' if self.is_mariadb else 'MySQL'} {self.text}"

    @property
    def collation(self) -> str:
        """One that compares letter by letter, by code point: case, accents and trailing blanks count."""
        return "utf8mb4_nopad_bin" if self.is_mariadb else "utf8mb4_0900_bin"

    @property
    def read_limit(self) -> str:
        """The setting that ends a reading statement after READ_SECONDS."""
        if self.is_mariadb:
            return f"max_statement_time = {READ_SECONDS}"
        return f"max_execution_time = {READ_SECONDS * 1000}"

    def check(self) -> None:
        """Raise StorageRefused for a server that is too old."""
        least: tuple[int, ...] = MIN_MARIADB if self.is_mariadb else MIN_MYSQL
        if self.version < least:
            raise StorageRefused(
                f"{self.name} lacks what Holdfast needs to claim jobs (SKIP LOCKED): at least MariaDB "
                f"{'.'.join(map(str, MIN_MARIADB))} or MySQL {'.'.join(map(str, MIN_MYSQL))}. Upgrade the server."
            )


if TYPE_CHECKING:
    _Driver = pymysql.connections.Connection[Any]
else:
    _Driver = pymysql.connections.Connection  # generic in its types only

_contexts: dict[str, Any] = {}


class _Connection(_Driver):
    """The driver's, which reads every authority that the host trusts for each connection anew: some twenty milliseconds."""

    def _create_ssl_ctx(self, wanted: Any) -> Any:
        name = repr(wanted)
        if name not in _contexts:
            _contexts[name] = cast(Any, super())._create_ssl_ctx(wanted)
        return _contexts[name]


def connect(address: Address, *, reading: bool = False, several: bool = False) -> tuple[Connection, Server]:
    """A new connection in our words and settings, `several`: it takes several statements in one text. Raises
    StorageUnavailable or StorageRefused."""
    # FOUND_ROWS: a guard that matched is told, also when the row was so already
    flags = CLIENT.FOUND_ROWS | (CLIENT.MULTI_STATEMENTS if several else 0)
    try:
        connection = _Connection(
            host=address.host,
            port=address.port,
            unix_socket=address.socket,
            user=address.user,
            password=address.password,
            database=address.database,
            charset="utf8mb4",
            sql_mode=MODE,
            autocommit=reading,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            write_timeout=ANSWER_SECONDS,
            client_flag=flags,
            program_name="holdfast",
            ssl_ca=address.ssl_ca,
            ssl_verify_cert=address.ssl_ca is not None,
            ssl_verify_identity=address.ssl_ca is not None,
        )
    except pymysql.Error as error:
        cause: object = getattr(error, "original_exception", None)
        if isinstance(cause, ssl.SSLError):
            raise _unreachable(address, f"{cause}; `ssl_ca` names who may sign for it") from error
        raise in_our_words(error, address.shown) or _unreachable(address) from error
    except (OSError, RuntimeError) as error:
        # RuntimeError: a way to sign in that the driver has no library for
        raise _unreachable(address, str(error)) from error
    try:
        server = Server(str(cast(Any, connection).get_server_info()))
        server.check()
        with connection.cursor() as cursor:
            cursor.execute(f"SET NAMES utf8mb4 COLLATE {server.collation}")
            # writers lock rows and never gaps; a search of several statements sees one moment
            level = "REPEATABLE READ" if reading else "READ COMMITTED"
            cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            seconds = LOCK_SECONDS if several else LONG_LOCK_SECONDS
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {seconds}")
            if reading:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")
                cursor.execute(f"SET SESSION {server.read_limit}")
        connection.commit()
    except pymysql.Error as error:
        drop(connection)
        raise in_our_words(error, address.shown) or _unreachable(address, str(error)) from error
    except StorageRefused:
        drop(connection)
        raise
    return connection, server


def _unreachable(address: Address, why: str = "it refused the connection") -> StorageUnavailable:
    return StorageUnavailable(f"The database {address.shown} cannot be reached: {why}. Nothing was stored.")


def drop(connection: Connection) -> None:
    """Close the socket without a word to the server, which ends the session and rolls back what is open."""
    cast(Any, connection)._force_close()  # `close` may wait for a server that is not there


class ReadingPool:
    """Reading connections, lent to any thread for the length of a statement or a few. Not usable across a fork."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[Connection] = []
        self._free = threading.BoundedSemaphore(MAX_READERS)
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()

    @contextmanager
    def lend(self) -> Generator[Connection]:
        """A connection; the driver's errors come out in our words, and a connection that is lost is not lent again."""
        if self._process != os.getpid():
            raise StorageRefused(FORKED)
        if not self._free.acquire(timeout=TIMEOUT):
            raise StorageUnavailable(
                f"{MAX_READERS} reads of this process have kept every connection busy for {TIMEOUT:g} s."
            )
        connection: Connection | None = None
        try:
            connection = self._take()
            yield connection
            self._put_back(connection)
        except pymysql.Error as error:
            if connection is not None and not is_gone(error):
                self._put_back(connection)
            elif connection is not None:
                drop(connection)
            ours = in_our_words(error, self._address.shown)
            if ours is None:
                raise
            raise ours from error
        except BaseException:
            if connection is not None:
                drop(connection)  # in the middle of an answer, perhaps
            raise
        finally:
            self._free.release()

    def close(self) -> None:
        """Close those that are idle; one that is lent is closed when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            drop(connection)

    def forget_idle(self) -> None:
        """Let go of idle connections: one of them has turned out to be lost, and so may be the others."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            drop(connection)

    def _take(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return connect(self._address, reading=True)[0]

    def _put_back(self, connection: Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        drop(connection)
