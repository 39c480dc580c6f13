"""A small HTTP proxy that can leave out what a real one has to pass on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def proxied(server: str, mend: Callable[[bytes], bytes]) -> Iterator[str]:
    """The address of a proxy before `server`; `mend` changes the head of each request. One request for a connection."""
    parts = urlsplit(server)

    def serve(caller: socket.socket) -> None:
        with (
            caller,
            socket.create_connection((parts.hostname or "", parts.port or 0)) as behind,
            suppress(OSError),
        ):
            head = b""
            while b"\r\n\r\n" not in head:
                more = caller.recv(65_536)
                if not more:
                    return
                head += more
            head, _, body = head.partition(b"\r\n\r\n")
            if b"upgrade: websocket" not in head.lower():
                head += b"\r\nConnection: close"
            behind.sendall(mend(head) + b"\r\n\r\n" + body)
            back = threading.Thread(target=_pump, args=(behind, caller), daemon=True)
            back.start()
            _pump(caller, behind)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
