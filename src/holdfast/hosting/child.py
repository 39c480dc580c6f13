"""A child process that is started before its startup message is known, so that it loads its modules meanwhile.

The message is sent over a socket, which is its standard input, together with the listening socket. The end of that input
means that the parent has exited. This module imports the standard library only, so that the child starts early.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

SELF = (sys.executable, "-m", "holdfast")
"""The command line of this program, in the same environment."""

MAX_MESSAGE = 1024 * 1024


class Child:
    """A child process in a process group of its own, so that Ctrl-C does not reach it before its parent stops it."""

    def __init__(self, what: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen([*SELF, what], stdin=theirs.fileno(), process_group=0)  # noqa: S603 - this program
        self._socket = ours

    def send(self, message: dict[str, Any], listening: socket.socket) -> None:
        """Send the startup message. Does nothing when the process has died already; its exit reports that."""
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode() + b"\n"], [listening.fileno()])
        except (BrokenPipeError, ConnectionResetError):
            return

    def abandon(self) -> None:
        """End the process before it received its startup message."""
        self._socket.close()
        self.process.wait()

    def close(self) -> None:
        """Close the socket, once the process has ended."""
        self._socket.close()


def start_forking_server() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the process of a fork server, in this process group, as its workers are; returns it and the socket to it."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        return subprocess.Popen([*SELF, "forking-server"], stdin=theirs.fileno()), ours  # noqa: S603 - this program


def receive_startup_message() -> tuple[dict[str, Any], socket.socket] | None:
    """The startup message of this process, and the socket to listen on; None when the parent has exited already."""
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as parent:
        text, fds, _, _ = socket.recv_fds(parent, MAX_MESSAGE, 1)
        while text and not text.endswith(b"\n"):
            more = parent.recv(MAX_MESSAGE)
            if not more:
                return None
            text += more
    if not text or not fds:
        return None
    return json.loads(text), socket.socket(fileno=fds[0])
