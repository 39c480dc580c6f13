"""A PgBouncer in transaction mode, in front of a PostgreSQL that runs already."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.servers.postgres import ACCOUNT, shared_url
from tests.servers.programs import free_port, program

POOL = 6
"""Connections to the server: fewer than its clients have, so that they are handed round."""


@contextmanager
def pooler() -> Iterator[str]:
    """The URL of the database of this run of the suite by way of a pooler. Skips where there is no PgBouncer."""
    pgbouncer = program("pgbouncer")
    with psycopg.connect(shared_url()) as db:
        host, port, user, name = db.info.host, db.info.port, db.info.user, db.info.dbname
    folder = Path(tempfile.mkdtemp(prefix="hfpgb-"))
    listening = free_port()
    (folder / "users").write_text(f'"{user}" ""\n')
    (folder / "ini").write_text(f"""[databases]
{name} = host={host} port={port} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listening}
unix_socket_dir =
auth_type = trust
auth_file = {folder / "users"}
pool_mode = transaction
default_pool_size = {POOL}
max_client_conn = 200
""")
    root = os.geteuid() == 0
    if root:
        shutil.chown(folder, ACCOUNT)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [pgbouncer, str(folder / "ini")],
            user=pwd.getpwnam(ACCOUNT).pw_uid if root else None,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"postgresql://{user}@127.0.0.1:{listening}/{name}"
        _wait(url, process, folder / "log")
        yield url
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"pgbouncer does not serve: {log.read_text()}") from None
            time.sleep(0.05)
