"""A child process that is started before its startup message is known: it loads meanwhile.

Its startup message goes over a socket that is its standard input, together with the listening socket. The end of that input
means that its parent is gone. Only the standard library is loaded here, so that a start is never late.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

SELF = (sys.executable, "-m", "holdfast")
"""How we start ourselves again, in the same environment."""

MAX_ORDERS = 1024 * 1024


class Child:
    """A process of ours. In a group of its own, so that Ctrl-C reaches it through us, in the order of stopping."""

    def __init__(self, what: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen([*SELF, what], stdin=theirs.fileno(), process_group=0)  # noqa: S603 - ourselves
        self._line = ours

    def order(self, orders: dict[str, Any], listening: socket.socket) -> None:
        """Tell it what to do. It may have died already: then nothing happens, its end says so."""
        try:
            socket.send_fds(self._line, [json.dumps(orders).encode() + b"\n"], [listening.fileno()])
        except (BrokenPipeError, ConnectionResetError):
            return

    def abandon(self) -> None:
        """End it before it was told what to do."""
        self._line.close()
        self.process.wait()

    def close(self) -> None:
        """Give back what it held here, once it has ended."""
        self._line.close()


def start_forking_server() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process of a fork server, and the socket to it. It belongs to our process group, as its workers do."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        return subprocess.Popen([*SELF, "forking-server"], stdin=theirs.fileno()), ours  # noqa: S603 - ourselves


def take_orders() -> tuple[dict[str, Any], socket.socket] | None:
    """What the one who started this process wants of it, and the socket to listen on; None when it is gone already."""
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as line:
        text, fds, _, _ = socket.recv_fds(line, MAX_ORDERS, 1)
        while text and not text.endswith(b"\n"):
            more = line.recv(MAX_ORDERS)
            if not more:
                return None
            text += more
    if not text or not fds:
        return None
    return json.loads(text), socket.socket(fileno=fds[0])
