"""Whether a Redis server responds on this machine: Celery's part is skipped without one."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"
PORT = 6379


def missing() -> str | None:
    """Why Celery cannot be measured, or None when a server responds to PING."""
    try:
        with socket.create_connection((HOST, PORT), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(16)
    except OSError as error:
        return f"no Redis on {HOST}:{PORT} ({error.strerror or error})"
    return (
        None
        if answer.startswith(b"+PONG")
        else f"what listens on {HOST}:{PORT} does not answer as an open Redis"
    )
