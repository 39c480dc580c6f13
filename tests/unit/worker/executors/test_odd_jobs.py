"""Jobs that fork, stop loops and keep odd things: their own affair, wherever they run."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.core.outcome import ResultKind
from holdfast.worker.event_loop import run_to_its_end
from holdfast.worker.executors.loop import LoopExecutor
from tests.unit.worker.executors import odd_jobs
from tests.unit.worker.executors.helpers import a_run, an_executor, run
from tests.unit.worker.executors.test_all import everywhere


@pytest.mark.parametrize("way", ["", "_async"])
def test_a_copy_of_a_child_says_nothing_for_the_job(way: str) -> None:
    async def main() -> None:
        async with an_executor("process") as executor:
            for n in range(3):
                one, port = a_run(f"forks{way}", n=n)
                assert (await executor.run(one)).result == f'"of the job {n}"'
                assert port.events == []

    run(main())


def test_the_end_of_another_attempt_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from holdfast.worker.executors import child_handle

    ends: list[Any] = []
    original: Callable[..., Any] = child_handle.FrameReader.read

    async def read(self: Any) -> Any:
        if ends:
            return ends.pop()
        message = await original(self)
        if message["kind"] == "ended" and message["ended"]["result"] == "5":
            ends.append(message)
            return {**message, "row": [message["row"][0] - 1, 3], "ended": {"end": "failed", "error": None}}
        return message

    monkeypatch.setattr(child_handle.FrameReader, "read", read)

    async def main() -> None:
        async with an_executor("process") as executor:
            assert (await executor.run(a_run("add", a=2, b=3)[0])).result == "5"

    run(main())


def test_a_default_timeout_of_a_job_does_not_reach_the_children() -> None:
    async def main() -> None:
        async with an_executor("thread") as threads, an_executor("process") as children:
            try:
                await threads.run(a_run("sets_a_default_timeout")[0])
                assert (await children.run(a_run("add", a=2, b=3)[0])).result == "5"
            finally:
                socket.setdefaulttimeout(None)

    run(main())


# -- steps -----------------------------------------------------------------------------------------------------------------


@everywhere
def test_a_step_returns_what_was_stored_the_first_time_too(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            odd_jobs.RUNS.clear()
            one, port = a_run(f"keeps_odd_things{way}")
            result = (await executor.run(one)).result
            assert json.loads(result) == ["2026-07-01T00:00:00Z", [7]]
            assert port.saved["steps"] == {"when": "2026-07-01T00:00:00Z", "set": [7]}
            again, _ = a_run(f"keeps_odd_things{way}", port.stored)
            assert (await executor.run(again)).result == result
            assert len(odd_jobs.RUNS) <= 1

    run(main())


@everywhere
@pytest.mark.parametrize(
    ("name", "what"), [("keeps_nothing", "step result"), ("keeps_nothing_of_map", "result of map")]
)
def test_what_cannot_be_stored_fails_the_job_for_good(place: str, way: str, name: str, what: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            ended = await executor.run(a_run(f"{name}{way}")[0])
            assert (ended.end, ended.reason) == (ResultKind.FAILED_FOR_GOOD, "invalid input")
            assert ended.error.message.startswith(f"{what}: cannot be stored as JSON")

    run(main())


# -- what stops an event loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how", "result"),
    [
        ("exits_in_a_task_async", "exit", "SystemExit"),
        ("exits_in_a_task_async", "interrupt", "KeyboardInterrupt"),
        ("exits_in_a_task_async", "callback", '"done"'),
        ("stops_its_loop_async", "here", '"done"'),
        ("stops_its_loop_async", "thread", '"done"'),
    ],
)
def test_the_loop_of_the_worker_continues(name: str, how: str, result: str) -> None:
    async def main() -> None:
        executor = LoopExecutor()
        neighbour = asyncio.create_task(executor.run(a_run("add_async", a=2, b=3)[0]))
        ended = await executor.run(a_run(name, how=how)[0])
        assert (ended.error.type if ended.error else ended.result) == result
        assert (await neighbour).result == "5"
        assert (await executor.run(a_run("add_async", a=1, b=1)[0])).result == "2"
        await executor.close()

    run_to_its_end(main())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("place", ["thread", "process"])
def test_a_loop_of_a_job_that_is_stopped_fails_that_job(place: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            for how, type_ in (("exit", "SystemExit"), ("interrupt", "KeyboardInterrupt")):
                ended = await executor.run(a_run("exits_in_a_task_async", how=how)[0])
                assert (ended.end, ended.error.type) == (ResultKind.FAILED, type_)
            for how in ("here", "thread"):
                ended = await executor.run(a_run("stops_its_loop_async", how=how)[0])
                assert (ended.end, ended.error.type) == (ResultKind.FAILED, "RuntimeError")
            assert (await executor.run(a_run("exits_in_a_thread")[0])).result == '"done"'
            assert (await executor.run(a_run("add", a=1, b=1)[0])).result == "2"

    run(main())


# -- copies of a worker ----------------------------------------------------------------------------------------------------

WORKER = """
import asyncio, os, signal, sys, uvloop
from holdfast.worker.executors.forks import mind_forks
from holdfast.worker.executors.thread import ThreadExecutor
from holdfast.worker.executors.loop import LoopExecutor
from tests.unit.worker.executors.helpers import a_run

def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

async def main():
    heard = []
    mind_forks()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: heard.append("SIGTERM"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads, here = ThreadExecutor(1), LoopExecutor()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        if (pid := os.fork()) == 0:
            signal.pause()
        os.kill(pid, number)
        assert wait(pid) == -number, number
    if (pid := os.fork()) == 0:
        await asyncio.sleep(60)  # back to the loop, which is not the copy's
    assert wait(pid) == 0
    for n in range(3):
        for executor, name in ((threads, "forks"), (threads, "forks_async"), (here, "forks_async")):
            one, port = a_run(name, n=n)
            ended = await executor.run(one)
            assert ended.result == f'"of the job {n}"', ended
    await asyncio.sleep(0)
    assert heard == []
    print("right", flush=True)

uvloop.run(main())
"""


def test_copies_of_a_worker_take_signals_and_leave_like_any_program() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKER], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.count("right") == 1, done.stderr
    assert done.returncode == 0
