"""Child processes: whatever happens in one is an answer, and nothing of it outlives its worker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.outcome import ResultKind
from holdfast.core.settings import Settings
from holdfast.core.sizes import MAX_LOG_LINE
from holdfast.worker.executors.process import ProcessExecutor
from tests.unit.worker.executors.helpers import APP, a_run, an_executor, run, runs, until


async def who(executor: Any) -> list[Any]:
    return json.loads((await executor.run(a_run("whoami")[0])).result)


@pytest.mark.parametrize(
    ("how", "reason"),
    [("segfault", "killed by signal 11"), ("exit", "exit code 3"), ("kill", "killed by signal 9")],
)
def test_a_child_that_dies_is_a_result_and_the_next_job_runs(how: str, reason: str) -> None:
    async def main() -> None:
        async with an_executor("process") as executor:
            one, port = a_run("die", how=how)
            ended = await executor.run(one)
            assert (ended.end, ended.reason) == (ResultKind.CRASHED, reason)
            assert [line[2] for line in port.of("log")] == ["last words"]
            assert (await executor.run(a_run("add", a=1, b=1)[0])).result == "2"

    run(main())


def test_a_crash_harms_no_neighbour() -> None:
    async def main() -> None:
        async with an_executor("process", children=2) as executor:
            one, port = a_run("nap")
            task = asyncio.create_task(executor.run(one))
            await until(lambda: port.of("log"))
            assert (await executor.run(a_run("die", how="kill")[0])).end is ResultKind.CRASHED
            assert not task.done()
            port.raise_flag("pause")
            assert (await task).end is ResultKind.INTERRUPTED

    run(main())


def test_jobs_run_in_the_main_thread_of_one_child_and_share_no_context() -> None:
    async def main() -> None:
        async with an_executor("process") as executor:
            first, second = await who(executor), await who(executor)
            assert first == second
            assert first[0] != os.getpid()
            assert first[1:] == [True, 1]

    run(main())


def test_a_child_is_renewed_after_its_share_of_jobs() -> None:
    async def main() -> None:
        async with an_executor("process", jobs_per_child=2) as executor:
            pids = [(await who(executor))[0] for _ in range(4)]
            assert pids[0] == pids[1] != pids[2] == pids[3]
            await until(lambda: not runs(pids[0]))

    run(main())


def test_an_idle_child_is_ended() -> None:
    async def main() -> None:
        async with an_executor("process", idle_seconds=0.1) as executor:
            pid = (await who(executor))[0]
            await until(lambda: not runs(pid))
            assert (await who(executor))[0] != pid

    run(main())


def test_an_idle_child_that_was_killed_is_replaced() -> None:
    async def main() -> None:
        async with an_executor("process") as executor:
            pid = (await who(executor))[0]
            os.kill(pid, signal.SIGKILL)  # the worker has not heard of it when the next job comes
            assert (await who(executor))[0] != pid

    run(main())


def test_children_are_few() -> None:
    async def main() -> None:
        async with an_executor("process", children=2) as executor:
            naps = [a_run("nap") for _ in range(4)]
            tasks = [asyncio.create_task(executor.run(one)) for one, _ in naps]
            await until(lambda: sum(bool(port.of("log")) for _, port in naps) == 2)
            executor.force(naps[3][0], because="cancel")  # it has no child yet
            assert (await tasks[3]).reason == "cancel"
            for _, port in naps:
                port.raise_flag("stop")
            await asyncio.gather(*tasks)

    run(main())


def test_force_ends_what_the_job_has_started_too() -> None:
    async def main() -> None:
        async with an_executor("process") as executor:
            one, port = a_run("parent_of")
            task = asyncio.create_task(executor.run(one))
            await until(lambda: port.of("log"))
            grandchild = int(port.of("log")[0][2])
            assert runs(grandchild)
            executor.force(one, because="cancel")
            assert (await task).reason == "cancel"
            await until(lambda: not runs(grandchild))

    run(main())


def test_ctrl_c_and_a_stop_of_the_whole_group_are_left_to_the_worker() -> None:
    async def main() -> None:
        async with an_executor("process") as executor:
            pid = (await who(executor))[0]
            one, port = a_run("nap")
            task = asyncio.create_task(executor.run(one))
            await until(lambda: port.of("log"))
            assert os.getsid(pid) != os.getsid(0)
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
            port.raise_flag("stop")
            assert (await task).end is ResultKind.INTERRUPTED
            assert (await who(executor))[0] == pid

    run(main())


def test_close_ends_all_children() -> None:
    async def main() -> None:
        executor = ProcessExecutor(2, APP)
        pids = {answer[0] for answer in await asyncio.gather(who(executor), who(executor))}
        await executor.close()
        assert not any(runs(pid) for pid in pids)

    run(main())


def test_a_storm_of_long_lines_arrives_in_order() -> None:
    async def main() -> None:
        async with an_executor("process") as executor:
            one, port = a_run("chatty", lines=300, size=100_000)
            assert (await executor.run(one)).end is ResultKind.SUCCEEDED
            lines = [line[2] for line in port.of("log")]
            assert [int(line.split()[0]) for line in lines] == list(range(300))
            assert max(map(len, lines)) <= MAX_LOG_LINE
            assert port.last_progress == {"done": 300, "total": 300}
            assert len(port.of("progress")) < 300

    run(main())


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ("no_such_module:app", "no_such_module"),
        ("tests.unit.worker.executors.helpers:app_that_is_not", "app_that_is_not"),
    ],
)
def test_a_child_without_an_app_says_what_is_missing(app: str, message: str) -> None:
    async def main() -> None:
        executor = ProcessExecutor(1, app)
        ended = await executor.run(a_run("add", a=1, b=1)[0])
        assert ended.end is ResultKind.FAILED
        assert ended.error is not None
        assert message in ended.error.message
        await executor.close()

    run(main())


def test_a_child_is_configured_as_its_worker() -> None:
    async def main() -> None:
        executor = ProcessExecutor(1, APP, Settings(threads=77))
        assert (await executor.run(a_run("threads_setting")[0])).result == "77"
        await executor.close()

    run(main())


PARENT = """
import asyncio, sys
sys.path.insert(0, "")
from holdfast.worker.executors.process import ProcessExecutor
from tests.unit.worker.executors.helpers import APP, a_run, until

async def main():
    executor = ProcessExecutor(3, APP)
    jobs = [a_run("nap"), a_run("stubborn"), a_run("nap")]
    tasks = [asyncio.create_task(executor.run(one)) for one, port in jobs]
    await until(lambda: all(port.of("log") for one, port in jobs))
    jobs[2][1].raise_flag("pause")
    await tasks[2]  # its child is idle now
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_children_die_with_their_worker() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"ready\n"
            listed = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
            pids = [int(pid) for pid in listed.split()]
            assert len(pids) == 3
            assert all(runs(pid) for pid in pids)
        finally:
            parent.kill()
    deadline = time.monotonic() + 10
    while any(runs(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)
