"""Unfinished requests time out, and do not keep others from being served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from holdfast.web import protocol, server
from tests.unit.web.support import Lab, served, until

HEAD = b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def connected(url: str, begin: bytes = b"") -> socket.socket:
    parts = urlsplit(url)
    line = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)
    line.sendall(begin)
    return line


def rest(line: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    answer = b""
    try:
        while data := line.recv(65_536):
            answer += data
    except ConnectionResetError:
        pass
    return answer


@contextmanager
def dripping(line: socket.socket) -> Iterator[None]:
    """A byte again and again, so that the connection is never idle."""
    import threading

    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.01):
            try:
                line.send(b"a")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize(
    "begin", [b"", b"GET /", HEAD, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /"]
)
def test_a_head_that_does_not_end_is_given_up(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.3)
    with served(lab) as url, connected(url, begin) as line, dripping(line) if begin else ExitStack():
        assert b"408" in rest(line)


def test_a_body_that_does_not_end_is_given_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BODY_TIMEOUT", 0.3)
    for path in (b"POST /api/v1/jobs", b"GET /health/live"):
        head = HEAD.replace(b"POST /api/v1/jobs", path) + b"Content-Length: 100000\r\n\r\n{"
        with served(lab) as url, connected(url, head) as line, dripping(line):
            rest(line)


def test_an_idle_connection_may_be_used_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline of a head does not run between two requests; that is the matter of keep-alive."""
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.3)
    head = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with served(lab) as url, connected(url, head) as line, connected(url) as other:
        assert b"live" in line.recv(65_536)
        assert b"408" in rest(other)  # so the deadline would have passed
        line.sendall(head)
        assert b"200" in line.recv(65_536)


def test_half_sent_requests_do_not_stop_the_server(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_HALF_OPEN", 20)
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 40)
    with served(lab) as url, ExitStack() as lines:
        for _ in range(100):
            lines.enter_context(connected(url, HEAD))
        until(lambda: httpx.get(f"{url}/health/live").status_code == 200)


def test_more_connections_than_the_limit_get_a_response(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    body = HEAD + b"Content-Length: 10\r\n\r\n{"
    with served(lab) as url, ExitStack() as lines:
        for _ in range(5):
            lines.enter_context(connected(url, body))
        until(lambda: httpx.get(f"{url}/health/live").status_code == 503)
        lines.close()
        until(lambda: httpx.get(f"{url}/health/live").status_code == 200)
