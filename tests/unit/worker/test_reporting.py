"""Reports of an attempt: one at a time, in the order of their texts, shared by those that wait, and never lost."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from holdfast.context.worker_link import Snapshot
from holdfast.core.errors import InvalidInput, LeaseLost, StorageUnavailable
from holdfast.core.outcome import Interrupted, Report
from holdfast.storage.gateway import Gateway
from holdfast.storage.verbs.attempts import LOST
from holdfast.worker import report_batcher
from holdfast.worker.report_batcher import ReportBatcher
from holdfast.worker.reporting import LocalLink
from tests.unit.worker.executors.helpers import until
from tests.unit.worker.reports import Memory, ReportStore, a_gateway, a_port

MARK: ContextVar[str] = ContextVar("MARK", default="clean")


def run(test: Callable[[ReportStore, Gateway], Coroutine[Any, Any, None]]) -> None:
    store = ReportStore()
    with a_gateway(store) as gateway:
        asyncio.run(test(store, gateway))


def snapshot(n: float, **held: float) -> Snapshot:
    return Snapshot(json.dumps({"state": n}), held or {"main": n})


def progress(n: float, loaded: float | None = None) -> dict[str, Any]:
    value: dict[str, Any] = {"key": "main", "done": n}
    return value if loaded is None else value | {"held": loaded}


def stored(report: Report) -> tuple[float | None, float | None]:
    """The place in the text of a report, and `held` in its progress."""
    place = None if report.saved is None else json.loads(report.saved)["state"]
    return place, None if report.progress is None else json.loads(report.progress).get("held")


# -- deliveries -----------------------------------------------------------------------------------------------------------


def test_a_store_in_a_thread_without_company_needs_no_other_thread() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        await asyncio.to_thread(lambda: [port.store(snapshot(n)).wait() for n in range(3)])
        assert store.saved == [snapshot(n).saved for n in range(3)]
        assert gateway._thread is None

    run(main)


def test_threads_that_store_at_once_share_a_report_with_the_newest_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        report_batcher, "FLUSH_INTERVAL", 3600.0
    )  # the reports are sent without the courier's clock

    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        lock, made = threading.Lock(), iter(range(1, 100))

        def save() -> None:
            with (
                lock
            ):  # as the memory of a job does it: snapshots are reported in the order in which they are made
                delivery = port.store(snapshot(next(made)))
            delivery.wait()

        with store.closed_gate():
            first = asyncio.create_task(asyncio.to_thread(save))
            await until(lambda: store.asked)
            others = [asyncio.create_task(asyncio.to_thread(save)) for _ in range(4)]
            await until(lambda: len(port._deliveries or ()) == 4)
        await asyncio.wait_for(asyncio.gather(first, *others), 10)
        assert store.saved == [snapshot(1).saved, snapshot(5).saved]

    run(main)


def test_a_task_and_a_thread_share_a_report_too() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        with store.closed_gate():
            first = asyncio.create_task(port.store(snapshot(1)).wait_async())
            await until(lambda: store.asked)
            delivery = port.store(snapshot(2))
            others = [asyncio.create_task(asyncio.to_thread(delivery.wait))]
            others.append(asyncio.create_task(port.store(snapshot(3)).wait_async()))
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(first, *others), 10)
        assert store.saved == [snapshot(1).saved, snapshot(3).saved]

    run(main)


def test_a_task_that_is_cancelled_while_it_saves_does_not_stop_the_report() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        with store.closed_gate():
            saving = asyncio.create_task(port.store(snapshot(1)).wait_async())
            await until(lambda: store.asked)
            saving.cancel()
            await asyncio.wait([saving])
            assert saving.cancelled()
            second = asyncio.create_task(port.store(snapshot(2)).wait_async())
        await asyncio.wait_for(second, 10)
        assert store.saved == [snapshot(1).saved, snapshot(2).saved]

    run(main)


def test_a_save_that_fails_raises_in_all_who_shared_it_and_is_sent_again() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        port.log(1, "info", "a line", None)
        store.refuse = StorageUnavailable("the disk is full")
        saving = [port.store(snapshot(n)).wait_async() for n in (1, 2)]
        errors = await asyncio.gather(*saving, return_exceptions=True)
        assert [type(error) for error in errors] == [StorageUnavailable] * 2
        store.refuse = None
        await until(lambda: store.reports)  # by the courier
        assert (store.saved, store.lines) == ([snapshot(2).saved], ["a line"])

    run(main)


def test_what_was_put_back_is_no_newer_than_what_came_meanwhile() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        store.refuse = StorageUnavailable("away")
        with store.closed_gate():
            port.progress(progress(1))
            port.log(1, "info", "first", None)
            saving = asyncio.create_task(port.store(snapshot(1)).wait_async())
            await until(lambda: store.asked)
            store.refuse = None
            port.hold(snapshot(2))
            port.progress(progress(2))
            port.log(2, "info", "second", None)
        with pytest.raises(StorageUnavailable):
            await saving
        await until(lambda: store.reports)
        assert [stored(report) for report in store.reports] == [(2, 2)]
        assert store.lines == ["first", "second"]

    run(main)


def test_a_job_that_belongs_to_another_attempt_hears_it_from_its_save() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        store.answer = LOST
        with pytest.raises(LeaseLost):
            await port.store(snapshot(1)).wait_async()
        assert port.flags.lost
        with pytest.raises(LeaseLost):
            await asyncio.to_thread(port.store(snapshot(2)).wait)

    run(main)


def test_a_sender_that_is_ended_by_force_leaves_nothing_in_flight() -> None:
    class Forced:
        """A gateway whose first call is interrupted, as by an exception that another thread raises here."""

        def __init__(self, gateway: Gateway) -> None:
            self._gateway = gateway
            self.entered, self.go_on = threading.Event(), threading.Event()

        def run(self, *args: Any) -> Any:
            self.entered.set()
            self.go_on.wait(20)
            raise Interrupted

        def __getattr__(self, name: str) -> Any:
            return getattr(self._gateway, name)

    async def main(store: ReportStore, gateway: Gateway) -> None:
        forced: Any = Forced(gateway)
        port = a_port(forced)
        first = asyncio.create_task(asyncio.to_thread(port.store(snapshot(1)).wait))
        await until(forced.entered.is_set)
        second = asyncio.create_task(port.store(snapshot(2)).wait_async())
        await asyncio.sleep(0)
        forced.go_on.set()
        with pytest.raises(Interrupted):
            await first
        await asyncio.wait_for(second, 10)
        assert store.saved == [snapshot(2).saved]
        assert port._flight is None

    run(main)


# -- held -----------------------------------------------------------------------------------------------------------------


def test_held_is_that_of_the_text_in_the_same_report() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        port.progress({"key": "main", "done": 9, "bars": [{"name": "b", "key": "b", "done": 8}]})
        await port.store(snapshot(5, main=5, b=4)).wait_async()
        (report,) = store.reports
        bars = [{"name": "b", "done": 8, "held": 4}]
        assert json.loads(report.progress or "") == {"done": 9, "held": 5, "bars": bars}

    run(main)


def test_held_is_what_was_acknowledged_and_before_that_what_was_loaded() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        port.progress(progress(4, loaded=3))
        await until(lambda: len(store.reports) == 1)
        await port.store(snapshot(6)).wait_async()
        store.refuse = StorageUnavailable("away")
        with pytest.raises(StorageUnavailable):
            await port.store(snapshot(7)).wait_async()
        port._snapshot = None  # so that the next report has a progress only
        port.progress(progress(8, loaded=3))
        store.refuse = None
        await until(lambda: len(store.reports) == 3)
        assert [stored(report) for report in store.reports] == [(None, 3), (6, None), (None, 6)]

    run(main)


# -- the end --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [False, True])
def test_the_last_report_waits_for_the_one_in_flight(fails: bool) -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        port.log(1, "info", "first", None)
        port.hold(snapshot(1))
        store.refuse = StorageUnavailable("away") if fails else None
        with store.closed_gate():
            await until(lambda: store.asked)
            port.log(2, "info", "second", None)
            port.progress(progress(9))
            late = port.store(snapshot(2))
            port.close()
            landing = asyncio.create_task(port.landing())
            await asyncio.sleep(0)
            assert not landing.done()
        await asyncio.wait_for(landing, 10)
        last = port.last_report()
        assert last is not None
        lines = store.lines + [line.message for line in last.logs]
        assert lines == ["first", "second"]
        assert stored(last) == (2, 2)
        with pytest.raises(LeaseLost):
            late.wait()

    run(main)


def test_a_port_that_is_closed_takes_nothing_more() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        port.close()
        port.log(1, "info", "late", None)
        port.hold(snapshot(1))
        port.progress(progress(1))
        with pytest.raises(LeaseLost):
            await port.store(snapshot(2)).wait_async()
        assert port.last_report() is None
        assert store.asked == 0

    run(main)


# -- the clock of the memories --------------------------------------------------------------------------------------------


def test_memories_are_ticked_while_their_attempts_run_and_one_that_raises_harms_no_other() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        shared = ReportBatcher(gateway, asyncio.get_running_loop())
        bad, good = Memory(ValueError("no")), Memory()
        ports = [a_port(gateway, shared, seq) for seq in (1, 2)]
        ports[0].remember(bad)
        await asyncio.to_thread(ports[1].remember, good)
        await until(lambda: bad.ticks >= 2 and good.ticks >= 2)
        ports[0].close()
        before, after = bad.ticks, good.ticks
        await until(lambda: good.ticks >= after + 2)
        assert bad.ticks == before
        ports[1].close()
        await until(lambda: not shared._ticking)  # no timer is left without a memory
        ports[0]._closed = False
        ports[0].remember(bad)
        await until(lambda: bad.ticks > before)

    run(main)


def test_timers_see_no_context_of_a_job() -> None:
    class Curious(Memory):
        def tick(self) -> None:
            super().tick()
            seen.append(MARK.get())

    class Listening(LocalLink):
        def take_off(self) -> Any:
            seen.append(MARK.get())
            return super().take_off()

    seen: list[str] = []

    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        port.__class__ = Listening
        MARK.set("of the job")
        port.remember(Curious())
        port.log(1, "info", "a line", None)
        await until(lambda: len(seen) >= 2)
        assert set(seen) == {"clean"}

    run(main)


# -- what the store refuses -------------------------------------------------------------------------------------------------


def test_a_report_that_is_refused_stops_its_job_and_is_not_sent_again() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        store.refuse = ValueError("the level is too long")
        port.log(1, "info", "refused", None)
        await until(lambda: port.refused)
        assert port.flags.stop
        assert "ValueError: the level is too long" in (port.refused or "")
        store.refuse = None
        port.log(2, "info", "taken", None)
        await until(lambda: store.reports)
        assert store.lines == ["taken"]

    run(main)


def test_a_save_that_is_refused_raises_in_the_job_for_good() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        store.refuse = ValueError("the state is too large")
        with pytest.raises(InvalidInput, match="ValueError: the state is too large"):
            await port.store(snapshot(1)).wait_async()
        with pytest.raises(InvalidInput, match="ValueError: the state is too large"):
            await asyncio.to_thread(lambda: port.store(snapshot(2)).wait())
        assert port.last_report() is None

    run(main)


def test_a_copy_of_the_process_says_nothing_for_the_attempt() -> None:
    async def main(store: ReportStore, gateway: Gateway) -> None:
        port = a_port(gateway)
        with port._lock:  # by a thread that is not in the copy
            port.disown()
        port.log(1, "info", "of the copy", None)
        port.hold(snapshot(1))
        with pytest.raises(LeaseLost):
            await port.store(snapshot(2)).wait_async()
        assert port.flags.lost
        assert port.last_report() is None
        assert store.asked == 0

    run(main)
