"""What a supervisor decides about its worker processes, on a real store, with processes that end when the test says so."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from holdfast.runtime.clock import since_boot
from holdfast.storage.writes import Rescue, RetireWorker
from holdfast.worker import supervisor as supervisor_module
from holdfast.worker.process import DRAINED
from holdfast.worker.supervisor import Supervisor
from holdfast.worker.supervisor_line import HURRY
from tests.unit.worker.executors.helpers import until
from tests.unit.worker.supervised import SETTINGS, Bench, Program


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def make(count: int = 1) -> AsyncIterator[Bench]:
        made = Bench(tmp_path, count)
        try:
            async with asyncio.timeout(30):
                yield made
        finally:
            made.supervisor.stop()
            for program in made.starter.programs:
                if not program.code.done():
                    program.code.set_result(0)
            await asyncio.wait([made.running], timeout=10)
            made.gateway.close()
            made.store.close()
        made.running.result()

    return make


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before each replacement; none of them is waited for."""
    noted: list[float] = []

    async def note(self: Supervisor, seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(Supervisor, "_sleep", note)
    return noted


pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# -- replacement ------------------------------------------------------------------------------------------------------------


async def test_a_worker_that_cannot_come_up_is_tried_again_at_growing_intervals(
    bench: Any, pauses: list[float]
) -> None:
    async with bench() as b:
        for number in range(1, 8):
            (await b.started(number)).code.set_result(1)
        await b.started(8)
        assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


async def test_a_worker_that_had_come_up_is_replaced_at_once(bench: Any, pauses: list[float]) -> None:
    async with bench() as b:
        (await b.started(1)).code.set_result(1)
        (await b.started(2)).code.set_result(1)
        (await b.registered(3)).code.set_result(-signal.SIGKILL)
        (await b.started(4)).code.set_result(1)
        await b.started(5)
        assert pauses == [0.5, 1.0, 0.0, 0.5]


async def test_a_drained_worker_is_not_replaced_and_without_workers_the_supervisor_ends(bench: Any) -> None:
    async with bench(2) as b:
        first, second = await b.registered(1), await b.registered(2)
        await b.write(RetireWorker(first.worker))
        first.code.set_result(DRAINED)
        await until(lambda: b.supervisor.workers == [second.worker])
        await b.write(RetireWorker(second.worker))
        second.code.set_result(DRAINED)
        await asyncio.wait([b.running])
        assert len(b.starter.programs) == 2


async def test_the_exit_code_of_a_drained_worker_alone_is_not_believed(
    bench: Any, pauses: list[float]
) -> None:
    """A job may have chosen it: the row of the worker is still there."""
    async with bench() as b:
        program, job = await b.with_a_job()
        program.code.set_result(DRAINED)
        await b.started(2)
        assert b.state(job) == "enqueued"
        assert b.supervisor.workers == [b.starter.programs[1].worker]


# -- the jobs of a dead worker ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-signal.SIGKILL, "SIGKILL"),
        (-signal.SIGSEGV, "SIGSEGV"),
        (-40, "signal 40"),
    ],
)
async def test_the_jobs_of_a_dead_worker_are_requeued_with_how_it_died(
    bench: Any, code: int, how: str
) -> None:
    async with bench() as b:
        program, job = await b.with_a_job()
        program.code.set_result(code)
        await b.started(2)
        assert b.state(job) == "enqueued"
        assert b.store.history(job)[-1].reason == f"process died ({how})"


async def test_a_kill_after_the_lease_was_not_confirmed_names_that_reason(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        program, job = await b.with_a_job()
        now = since_boot() + SETTINGS.lease
        monkeypatch.setattr(supervisor_module, "since_boot", lambda: now)
        b.supervisor._children[program.worker].confirmed = now - 0.9 * SETTINGS.lease
        program.stopped = True  # no heartbeat any more
        program.code.set_result(-signal.SIGKILL)
        await b.started(2)
        assert b.store.history(job)[-1].reason == "process died (no heartbeat was confirmed)"


async def test_the_jobs_wait_for_the_children_of_a_dead_worker(bench: Any) -> None:
    """Its lock is held as long as one of them lives."""
    async with bench() as b:
        program, job = await b.with_a_job()
        lock = b.locks.hold(program.worker)
        looks: list[str] = []
        look = b.locks.look
        b.locks.look = lambda name: (looks.append(name), look(name))[1]
        program.code.set_result(-signal.SIGKILL)
        await until(lambda: len(looks) > 3)
        assert b.state(job) == "processing"
        lock.close()
        await b.started(2)
        assert b.state(job) == "enqueued"


async def test_children_that_do_not_end_keep_their_jobs_until_the_lease_is_over(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "LAST_CHILD", 0.1)
    async with bench() as b:
        program, job = await b.with_a_job()
        lock = b.locks.hold(program.worker)
        program.code.set_result(-signal.SIGKILL)
        with capture_logs() as logs:
            await b.started(2)
        assert b.state(job) == "processing"
        assert "children of a dead worker still run; its jobs wait for them" in [e["event"] for e in logs]
        lock.release()


# -- heartbeats -------------------------------------------------------------------------------------------------------------


async def test_a_stopped_process_gets_no_heartbeat(bench: Any) -> None:
    async with bench(2) as b:
        stopped, other = await b.registered(1), await b.registered(2)
        stopped.stopped = True
        seen = other.heartbeats
        await until(lambda: other.heartbeats > seen + 1)  # a round that began before is over
        last, seen = stopped.heartbeats, other.heartbeats
        await until(lambda: other.heartbeats > seen + 3)
        assert stopped.heartbeats == last


async def test_a_worker_without_a_row_gets_no_heartbeat_and_is_left_alone(bench: Any) -> None:
    """It has not registered yet."""
    async with bench(2) as b:
        absent = await b.started(1)
        other = await b.registered(2)
        await until(lambda: other.heartbeats > 3)
        assert (absent.heartbeats, absent.signals) == (0, [])


async def test_a_worker_that_others_took_for_dead_is_killed_and_replaced(bench: Any) -> None:
    async with bench() as b:
        program = await b.registered()
        await b.write(Rescue([program.worker], why="lease expired"))
        await b.started(2)
        assert program.signals == [signal.SIGKILL]


# -- workers that do not react ----------------------------------------------------------------------------------------------


async def overdue(b: Bench, *, seconds: float, stopped: bool = False) -> Program:
    """A worker with a job whose time limit of one second was over `seconds` ago."""
    program, _ = await b.with_a_job(timeout=1.0)
    program.stopped = stopped
    b.clock.advance(1 + seconds)
    await b.supervisor._kill_the_unresponsive()
    return program


async def test_a_worker_that_lets_a_time_limit_pass_is_killed(bench: Any) -> None:
    async with bench() as b:
        program = await overdue(b, seconds=SETTINGS.cancel_grace + supervisor_module.UNRESPONSIVE_AFTER + 1)
        assert program.signals == [signal.SIGKILL]


async def test_a_worker_may_take_the_grace_time_to_react(bench: Any) -> None:
    async with bench() as b:
        program = await overdue(b, seconds=SETTINGS.cancel_grace + supervisor_module.UNRESPONSIVE_AFTER - 1)
        assert program.signals == []


async def test_a_stopped_worker_is_left_to_the_guard(bench: Any) -> None:
    """Nothing can be said about whether it would react; its lease ends instead."""
    async with bench() as b:
        program = await overdue(
            b, seconds=SETTINGS.cancel_grace + supervisor_module.UNRESPONSIVE_AFTER + 1, stopped=True
        )
        assert program.signals == []


@pytest.mark.parametrize("held", [False, True])
async def test_a_worker_that_holds_one_transaction_for_too_long_is_killed(
    bench: Any, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """`held`: the same transaction each time, else a new one."""
    now, transactions = [0.0], iter(range(1000))
    async with bench(2) as b:
        blocking, other = await b.registered(1), await b.registered(2)
        blocking.pid, other.pid = 4711, 4712
        monkeypatch.setattr(
            b.store, "write_lock_holder", lambda: (4711, 0 if held else next(transactions)), raising=False
        )
        monkeypatch.setattr(supervisor_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
        for _ in range(3):
            await b.supervisor._kill_the_blocking()
            now[0] += supervisor_module.MAX_TRANSACTION - 1
        assert (blocking.signals == [signal.SIGKILL]) is held
        assert other.signals == []
        monkeypatch.undo()


# -- the end ----------------------------------------------------------------------------------------------------------------


async def test_a_stop_asks_a_second_one_hurries_and_what_does_not_end_is_killed(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "UNRESPONSIVE_AFTER", 0.05)
    async with bench() as b:
        program = await b.registered()
        b.supervisor.stop()
        assert program.signals == [signal.SIGTERM]
        assert HURRY not in program.lines
        b.supervisor.stop()
        assert program.signals == [signal.SIGTERM] * 2
        assert program.lines.count(HURRY) == 1
        await until(lambda: signal.SIGKILL in program.signals)
        await asyncio.wait([b.running])
        assert len(b.starter.programs) == 1, "nothing is started after a stop"


async def test_a_worker_that_ends_after_a_stop_is_not_replaced_and_its_jobs_are_requeued(bench: Any) -> None:
    async with bench() as b:
        program, job = await b.with_a_job()
        b.supervisor.stop()
        program.code.set_result(1)
        await asyncio.wait([b.running])
        assert b.state(job) == "enqueued"
        assert b.starter.closed
        assert len(b.starter.programs) == 1
