"""A web app on a temporary store, with a few job types and no worker: what the tests of the web side stand on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from holdfast.app import Holdfast
from holdfast.context import JobContext
from holdfast.core.job import ClaimRequest, WorkerRow
from holdfast.core.outcome import LogLine, Report
from holdfast.core.settings import Settings
from holdfast.storage.writes import Claim, RegisterWorker, StoreReports
from holdfast.web.app import create_web_app
from holdfast.web.server import WebServer


async def count_to(ctx: JobContext, n: int = 100, delay: float = 0.1) -> int:
    """Counts."""
    return n


def import_customers(ctx: JobContext, path: str, dry_run: bool = False) -> int:
    """Imports."""
    return 0


class Lab:
    """An open app, its web app, and hands to do what a worker does."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        values: dict[str, Any] = {"data_dir": str(folder), "port": 0, **settings}
        self.settings = Settings(**values)
        self.holdfast = Holdfast(settings=self.settings)
        self.holdfast.job(queue="default")(count_to)
        self.holdfast.job(queue="imports", retries=5)(import_customers)
        self.holdfast.job(name="foo/bar.baz", queue="a/b c")(_odd)
        self.parts = self.holdfast.open()
        self.client = self.parts.client
        self.web = self.make_web()

    def make_web(self) -> FastAPI:
        return create_web_app(self.client, self.settings, version="1.2.3")

    def add(self, n: int = 1, **options: Any) -> list[str]:
        args = [{"n": index} for index in range(n)]
        return [handle.id for handle in self.client.jobs.enqueue_many("count_to", args, options)]

    def worker(self, name: str = "w1", *, types: tuple[str, ...] = (), queues: tuple[str, ...] = ()) -> None:
        row = WorkerRow(
            id=name, name=name, host="here", pid=4711, version="1.2.3", queues=queues, types=types, slots=10
        )
        self.parts.gateway.run(RegisterWorker(row, lease=600.0))

    def claim(self, limit: int = 10, worker: str = "w1") -> list[Any]:
        request = ClaimRequest(
            worker=worker, types=frozenset(("count_to", "import_customers", "foo/bar.baz")), limit=limit
        )
        return self.parts.gateway.run(Claim(request))

    def progress(self, claimed: Any, done: float, total: float = 100) -> str:
        report = Report(seq=claimed.seq, token=claimed.token, progress=f'{{"done":{done},"total":{total}}}')
        return self.parts.gateway.run(StoreReports([report]))[0]

    def log(self, claimed: Any, lines: list[str]) -> str:
        now = self.parts.store.now()
        said = tuple(LogLine(at=now, level="info", message=line) for line in lines)
        return self.parts.gateway.run(
            StoreReports([Report(seq=claimed.seq, token=claimed.token, logs=said)])
        )[0]

    def close(self) -> None:
        self.web.state.hub.stop()
        self.holdfast.close()


def _odd(text: str = "") -> str:
    return text


@contextmanager
def served(lab: Lab) -> Iterator[str]:
    """The web app on a real port, in a thread of its own; yields its address."""
    ready = threading.Event()
    server = WebServer(lab.web, lab.settings, ready=lambda _: ready.set())
    thread = threading.Thread(target=server.run, name="web-server")
    thread.start()
    try:
        assert ready.wait(20)
        yield server.url
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def until(fact: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What the fact is, once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = fact()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
