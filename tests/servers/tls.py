"""Servers that speak TLS only, with a certificate that only the test trusts."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.programs import free_port, program

TIMEOUT = 30.0
"""Seconds that a server may take to listen."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A key and the certificate that it has signed for itself, for this host; the certificate is its own authority."""

    key: Path
    file: Path


def certificate(folder: Path, name: str) -> Certificate:
    """A new one, valid for a day."""
    made = Certificate(folder / f"{name}.key", folder / f"{name}.pem")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1", "-subj", f"/CN={name}"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made.key), "-out", str(made.file)]
    subprocess.run([program("openssl"), *words], check=True, capture_output=True)
    made.key.chmod(0o644)  # a server may be the process of another user
    return made


@contextmanager
def redis(folder: Path, shown: Certificate) -> Iterator[int]:
    """The port of a Redis."""
    port = free_port()
    files = ["--tls-cert-file", shown.file, "--tls-key-file", shown.key, "--tls-ca-cert-file", shown.file]
    words = ["--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--tls-auth-clients", "no", *files]
    with _serving(folder, port, [program("redis-server"), *words, "--save", "", "--dir", folder]):
        yield port


@contextmanager
def nats(folder: Path, shown: Certificate) -> Iterator[int]:
    """The port of a NATS server."""
    port = free_port()
    files = ["--tls", "--tlscert", shown.file, "--tlskey", shown.key]
    with _serving(folder, port, [program("nats-server"), "-a", "127.0.0.1", "-p", port, *files]):
        yield port


@contextmanager
def mariadb(folder: Path, shown: Certificate) -> Iterator[int]:
    """The port of a MariaDB that lets in root without a password, with a database `shop`."""
    port, data, user = free_port(), folder / "mariadb", "nobody" if os.geteuid() == 0 else None
    as_user = [f"--user={user}"] if user else []
    install = [
        program("mariadb-install-db"),
        "--no-defaults",
        "--skip-test-db",
        f"--datadir={data}",
        *as_user,
    ]
    subprocess.run(
        [*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True, cwd=folder
    )
    (folder / "init.sql").write_text("CREATE DATABASE IF NOT EXISTS shop;\n")
    server = [
        program("mariadbd"),
        "--no-defaults",
        f"--datadir={data}",
        f"--socket={data / 'm.sock'}",
        *as_user,
    ]
    server += [f"--init-file={folder / 'init.sql'}", "--bind-address=127.0.0.1", f"--port={port}"]
    server += [f"--ssl-cert={shown.file}", f"--ssl-key={shown.key}", "--require-secure-transport=ON"]
    with _serving(folder, port, server):
        yield port


@contextmanager
def _serving(folder: Path, port: int, command: Sequence[object]) -> Iterator[None]:
    said = folder / "server.log"
    with said.open("wb") as log:
        server = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
    try:
        _until_open(port, server, said)
        yield
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _until_open(port: int, server: subprocess.Popen[bytes], said: Path) -> None:
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert server.poll() is None, f"the server has ended: {said.read_text()}"
            assert time.monotonic() < deadline, f"the server does not listen: {said.read_text()}"
            time.sleep(0.05)
