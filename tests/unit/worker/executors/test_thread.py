"""Threads: bounded, given up when they do not let go, and never hit by an interruption meant for another job."""

from __future__ import annotations

import asyncio
import ctypes
import json
import random
import subprocess
import sys
import threading
import time

import pytest

from holdfast.core.outcome import Interrupted, ResultKind
from holdfast.worker.executors.thread import ThreadExecutor, _set_async_exception
from tests.unit.worker.executors.helpers import a_run, an_executor, run, until


def test_a_thread_in_foreign_code_is_given_up_and_replaced() -> None:
    async def main() -> None:
        executor = ThreadExecutor(1, force_timeout=0.2)
        one, port = a_run("blocked", seconds=1.5)
        task = asyncio.create_task(executor.run(one))
        await until(lambda: port.of("log"))
        started = time.monotonic()
        executor.force(one, because="cancel")
        ended = await task
        assert (ended.end, ended.reason) == (ResultKind.INTERRUPTED, "abandoned")
        assert time.monotonic() - started < 1.2
        assert executor.abandoned == 1
        assert (await executor.run(a_run("add", a=1, b=1)[0])).result == "2"
        await until(lambda: executor.abandoned == 0)
        await executor.close()

    run(main())


def test_close_does_not_wait_for_an_abandoned_thread() -> None:
    async def main() -> None:
        executor = ThreadExecutor(1, force_timeout=0.1)
        one, port = a_run("blocked", seconds=2.0)
        task = asyncio.create_task(executor.run(one))
        await until(lambda: port.of("log"))
        executor.force(one, because="stop")
        await task
        started = time.monotonic()
        await executor.close()
        assert time.monotonic() - started < 0.5

    run(main())


def test_a_forced_job_that_ends_in_time_reports_why_it_was_forced() -> None:
    async def main() -> None:
        async with an_executor("thread", force_timeout=10.0) as executor:
            one, port = a_run("blocked", seconds=0.5)
            task = asyncio.create_task(executor.run(one))
            await until(lambda: port.of("log"))
            executor.force(one, because="cancel")
            ended = await task
            assert (ended.end, ended.reason, executor.abandoned) == (ResultKind.INTERRUPTED, "cancel", 0)

    run(main())


def test_a_job_that_still_waits_for_a_thread_is_settled_at_once() -> None:
    async def main() -> None:
        executor = ThreadExecutor(1)
        first, port = a_run("stubborn")
        busy = asyncio.create_task(executor.run(first))
        await until(lambda: port.of("log"))
        second, second_port = a_run("stubborn")
        waiting = asyncio.create_task(executor.run(second))
        await asyncio.sleep(0)
        executor.force(second, because="cancel")
        assert (await waiting).reason == "cancel"
        executor.force(first, because="stop")
        assert (await busy).reason == "stop"
        assert second_port.events == []
        await executor.close()

    run(main())


def test_threads_are_few_and_come_as_they_are_needed() -> None:
    async def main() -> None:
        before = threading.active_count()
        executor = ThreadExecutor(3)
        await executor.run(a_run("add", a=1, b=1)[0])
        assert threading.active_count() == before + 1
        naps = [a_run("nap") for _ in range(9)]
        tasks = [asyncio.create_task(executor.run(one)) for one, _ in naps]
        await until(lambda: sum(bool(port.of("log")) for _, port in naps) == 3)
        assert threading.active_count() == before + 3
        for _, port in naps:
            port.raise_flag("stop")
        assert {ended.end for ended in await asyncio.gather(*tasks)} == {ResultKind.INTERRUPTED}
        await executor.close()
        assert threading.active_count() == before

    run(main())


def test_each_job_has_context_variables_of_its_own() -> None:
    async def main() -> None:
        async with an_executor("thread") as executor:
            counts = [json.loads((await executor.run(a_run("whoami")[0])).result)[2] for _ in range(3)]
            assert counts == [1, 1, 1]

    run(main())


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_hits_only_the_job_it_is_meant_for() -> None:
    """Force is raised at every moment of short jobs: before, in, and just behind them. Every run ends, with its own
    result, and the threads continue. It may hit a callback of the garbage collector, where Python only reports it."""

    async def main() -> None:
        chance = random.Random(7)
        executor = ThreadExecutor(2)
        forced_ends: set[ResultKind] = set()

        async def one_of_many(n: int) -> None:
            if n % 2:
                ended = await executor.run(a_run("add", a=n, b=0)[0])
                assert (ended.end, ended.result) == (ResultKind.SUCCEEDED, str(n))
                return
            one, _ = a_run("stubborn", seconds=0.0005)
            task = asyncio.create_task(executor.run(one))
            await asyncio.sleep(chance.random() * 0.002)
            executor.force(one, because="cancel")
            forced_ends.add((await task).end)

        for start in range(0, 2_000, 4):
            await asyncio.wait_for(asyncio.gather(*(one_of_many(n) for n in range(start, start + 4))), 20)
        assert forced_ends == {ResultKind.SUCCEEDED, ResultKind.INTERRUPTED}
        assert executor.abandoned == 0
        await executor.close()

    run(main())


def test_an_interruption_that_comes_too_late_costs_neither_the_thread_nor_the_result() -> None:
    async def main() -> None:
        executor = ThreadExecutor(1)
        one, port = a_run("blocked", seconds=0.1)
        task = asyncio.create_task(executor.run(one))
        await until(lambda: port.of("log"))
        (thread,) = executor._threads
        assert thread.ident is not None
        with executor._lock:
            # the job has ended, its thread is about to return the result, and now force comes first
            while sys._current_frames()[thread.ident].f_code.co_name != "_finish":
                time.sleep(0.001)
            _set_async_exception(thread.ident, ctypes.py_object(Interrupted))
        assert (await asyncio.wait_for(task, 10)).end is ResultKind.INTERRUPTED
        assert (await executor.run(a_run("add", a=1, b=1)[0])).result == "2"
        assert executor._threads == {thread}
        await executor.close()

    run(main())


@pytest.mark.parametrize("forced", [False, True])
def test_a_debugger_works_after_a_job(forced: bool) -> None:
    """CPython 3.11 hangs in traced code when a pending exception was only removed."""
    program = f"""
import asyncio, sys
from tests.unit.worker.executors.helpers import a_run, an_executor, run, until

async def main():
    async with an_executor("thread") as executor:
        one, port = a_run("stubborn" if {forced} else "nap")
        task = asyncio.create_task(executor.run(one))
        await until(lambda: port.of("log"))
        executor.force(one, because="stop") if {forced} else port.raise_flag("cancel")
        await task

run(main())
events = []
sys.settrace(lambda *_: events.append(1))
sum(map(abs, range(9)))
asyncio.run(asyncio.sleep(0))
sys.settrace(None)
print("traced" if events else "not traced")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "traced\n", done.stderr
