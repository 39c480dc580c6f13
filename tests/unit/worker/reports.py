"""A store that keeps the reports it is given, and a port that reports to it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.core.job import Claimed
from holdfast.core.outcome import Report
from holdfast.storage.gateway import Gateway
from holdfast.worker.report_batcher import ReportBatcher
from holdfast.worker.reporting import LocalLink


class ReportStore:
    """Keeps reports in their order. `closed_gate()` holds the next ones up; `refuse` fails them; `answer` is the answer."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.asked = 0
        self.answer = ""
        self.refuse: BaseException | None = None
        self._gate = threading.Event()
        self._gate.set()

    @contextlib.contextmanager
    def closed_gate(self) -> Iterator[None]:
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def report(self, reports: Sequence[Report]) -> list[str]:
        self.asked += 1
        refuse = self.refuse
        self._gate.wait(20)
        if refuse is not None:
            raise refuse
        self.reports += reports
        return [self.answer] * len(reports)

    @property
    def saved(self) -> list[str]:
        return [report.saved for report in self.reports if report.saved is not None]

    @property
    def lines(self) -> list[str]:
        return [line.message for report in self.reports for line in report.logs]


@contextlib.contextmanager
def a_gateway(store: ReportStore) -> Iterator[Gateway]:
    gateway: Any = Gateway(store, lambda topics: None)  # type: ignore[arg-type]
    try:
        yield gateway
    finally:
        gateway.close()


def a_job(seq: int = 1) -> Claimed:
    return Claimed(
        seq, f"0190{seq}", "sample", "default", 0, 7, 1, 11, "{}", None, None, None, 0, None, 0, None
    )


def a_port(gateway: Gateway, courier: ReportBatcher | None = None, seq: int = 1) -> LocalLink:
    """To be called in an event loop."""
    return LocalLink(a_job(seq), courier or ReportBatcher(gateway, asyncio.get_running_loop()))


class Memory:
    """What a courier ticks."""

    working = 0
    interrupted = False

    def __init__(self, error: Exception | None = None) -> None:
        self.ticks = 0
        self._error = error

    def tick(self) -> None:
        self.ticks += 1
        if self._error is not None:
            raise self._error

    def end(self) -> str | None:
        return None
