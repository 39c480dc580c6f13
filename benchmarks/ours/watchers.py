"""Our part of the scenario in which many programs hear the event stream while a backlog is worked off."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import httpx

from benchmarks.app import app
from benchmarks.child import Measurement, Setup
from benchmarks.ours.backlog import fill, wait_for_all
from benchmarks.ours.programs import web, workers

_SECONDS = 240
_CONCURRENCY = 250
_REQUEST = "GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"


def drain(setup: Setup) -> Measurement:
    """Jobs per second of two worker processes while `argument` connections hear all changes, and what each of them was sent.

    The listeners read and throw away, all in one thread of this process, on the same cores.
    """
    ids = fill(setup.size)
    with (
        web(setup.directory) as client,
        _listening(client, int(setup.argument)) as heard,
        workers(setup.directory, processes=2, concurrency=_CONCURRENCY),
    ):
        seconds = wait_for_all(ids, timeout=_SECONDS)
    app.close()
    return {"jobs_per_s": setup.size / seconds, "kb_each": sum(heard.values()) / max(1, len(heard)) / 1000}


@contextmanager
def _listening(client: httpx.Client, count: int) -> Generator[dict[int, int]]:
    """So many open event streams; bytes read from each so far, by number. RuntimeError when one is refused."""
    host, port = client.base_url.host, client.base_url.port or 80
    heard = dict.fromkeys(range(count), 0)
    ended = threading.Event()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for number in range(count):
            listener = stack.enter_context(socket.create_connection((host, port), timeout=10))
            listener.sendall(_REQUEST.format(host=f"{host}:{port}").encode())
            answer = listener.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"listener {number} was refused: {answer[:200]!r}")
            listener.setblocking(False)
            selector.register(listener, selectors.EVENT_READ, number)

        def listen() -> None:
            while not ended.is_set():
                for key, _ in selector.select(timeout=0.1):
                    assert isinstance(key.fileobj, socket.socket)
                    got = len(key.fileobj.recv(65_536))
                    if not got:
                        selector.unregister(key.fileobj)
                    heard[key.data] += got

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield heard
        finally:
            ended.set()
            thread.join()
