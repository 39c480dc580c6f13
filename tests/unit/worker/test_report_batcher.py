"""The reports of all jobs of a worker process travel together, and none of them harms another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from holdfast.core.errors import StorageUnavailable
from holdfast.core.outcome import Report
from holdfast.storage.gateway import Gateway
from holdfast.worker import report_batcher
from holdfast.worker.report_batcher import ReportBatcher
from holdfast.worker.reporting import LocalLink
from tests.unit.worker.executors.helpers import until
from tests.unit.worker.reports import ReportStore, a_gateway, a_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_batcher, "FLUSH_INTERVAL", 0.01)


class Choosy(ReportStore):
    """Refuses the reports of one job."""

    refused = 0

    def report(self, reports: Sequence[Report]) -> list[str]:
        if any(report.seq == self.refused for report in reports):
            raise ValueError("the line is too long")
        return super().report(reports)


class Bench:
    def __init__(self, store: ReportStore, gateway: Gateway, count: int) -> None:
        self.store = store
        self.gateway = gateway
        self.batcher = ReportBatcher(gateway, asyncio.get_running_loop())
        self.links: list[LocalLink] = [a_port(gateway, self.batcher, seq) for seq in range(1, count + 1)]

    def log(self, text: str) -> None:
        """Each job writes a line."""
        for link in self.links:
            link.log(1, "info", f"{text} of {link.attempt.id}", None)

    @property
    def seqs(self) -> list[int]:
        return sorted(report.seq for report in self.store.reports)


@pytest.fixture
def bench() -> Callable[..., Any]:
    @asynccontextmanager
    async def make(count: int = 1, store: ReportStore | None = None) -> AsyncIterator[Bench]:
        store = store or ReportStore()
        with a_gateway(store) as gateway:
            async with asyncio.timeout(20):
                yield Bench(store, gateway, count)

    return make


async def test_the_reports_of_all_jobs_are_sent_in_one_write(bench: Any) -> None:
    async with bench(20) as b:
        b.log("first")
        b.log("second")
        await until(lambda: b.store.reports)
        assert b.store.asked == 1
        assert b.seqs == list(range(1, 21))
        assert [len(report.logs) for report in b.store.reports] == [2] * 20


async def test_nothing_is_sent_before_the_interval_is_over_nor_without_news(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []
    async with bench() as b:
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def noted(delay: float, callback: Callable[..., object], *args: Any, **options: Any) -> Any:
            if callback == b.batcher._start_flush:
                delays.append(delay)
            return call_later(delay, callback, *args, **options)

        monkeypatch.setattr(loop, "call_later", noted)
        for _ in range(3):
            b.log("a line")
        await until(lambda: b.store.reports)
        await until(lambda: not b.batcher._flushing)
        assert delays == [report_batcher.FLUSH_INTERVAL], "one timer for all, and none after the last report"


async def test_what_comes_while_reports_are_in_flight_is_sent_after_them(bench: Any) -> None:
    async with bench() as b:
        with b.store.closed_gate():
            b.log("first")
            await until(lambda: b.store.asked)
            b.log("second")
        await until(lambda: len(b.store.reports) == 2)
        assert [line.split()[0] for line in b.store.lines] == ["first", "second"]


async def test_a_report_that_cannot_be_made_costs_no_other_job_its_own(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(3) as b:

        def fails() -> None:
            raise RuntimeError("of one job")

        monkeypatch.setattr(b.links[0], "take_off", fails, raising=False)
        with capture_logs() as logs:
            b.log("a line")
            await until(lambda: b.store.reports)
        assert b.seqs == [2, 3]
        assert [entry["event"] for entry in logs] == ["could not make the report of a job"]


async def test_a_report_that_the_store_refuses_costs_no_other_job_its_own(bench: Any) -> None:
    store = Choosy()
    store.refused = 2
    async with bench(3, store) as b:
        with capture_logs() as logs:
            b.log("a line")
            await until(lambda: b.links[1].refused and len(store.reports) == 2)
            await until(lambda: logs)
        assert b.seqs == [1, 3]
        assert [link.flags.stop for link in b.links] == [False, True, False]
        assert [entry["event"] for entry in logs] == ["a report was refused by the store"]


async def test_while_the_store_is_away_reports_wait_and_one_line_says_how_many(bench: Any) -> None:
    async with bench(3) as b:
        b.store.refuse = StorageUnavailable("away")
        with capture_logs() as logs:
            b.log("first")
            await until(lambda: logs)
        assert (logs[0]["event"], logs[0]["jobs"], logs[0]["error"]) == (
            "reports delayed: storage unavailable",
            3,
            "away",
        )
        b.log("second")
        b.store.refuse = None
        await until(lambda: len(b.store.lines) == 6)
        for link in b.links:
            lines = [line for line in b.store.lines if line.endswith(link.attempt.id)]
            assert [line.split()[0] for line in lines] == ["first", "second"]


async def test_a_gateway_that_takes_nothing_loses_no_report(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(2) as b:
        refusals: list[int] = []

        def away(*writes: Any) -> Any:
            refusals.append(len(writes))
            raise StorageUnavailable("closed")

        with monkeypatch.context() as patch, capture_logs() as logs:
            patch.setattr(b.gateway, "submit_together", away)
            b.log("a line")
            await until(lambda: refusals)
        assert logs[0]["event"] == "reports delayed: storage unavailable"
        await until(lambda: len(b.store.lines) == 2)
        assert b.seqs == [1, 2]


async def test_a_closed_link_is_left_out(bench: Any) -> None:
    async with bench(2) as b:
        b.log("a line")
        b.links[0].close()
        await until(lambda: b.store.reports)
        assert b.seqs == [2]
        last = b.links[0].last_report()
        assert last is not None
        assert len(last.logs) == 1
