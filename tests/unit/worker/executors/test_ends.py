"""The place at every end, interruptions that are swallowed, and what a function leaves running: in every executor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.outcome import ResultKind
from tests.unit.worker.executors.helpers import ExecutorPort, a_run, an_executor, run, until
from tests.unit.worker.executors.test_all import everywhere

ASYNC = [("loop", "_async"), ("thread", "_async"), ("process", "_async")]
in_event_loops = pytest.mark.parametrize(("place", "way"), ASYNC)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def assert_nothing_runs() -> None:
    """In this event loop; those of threads and child processes are closed at the end of a run."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert [task for task in others if "sample_app" in repr(task.get_coro())] == []


async def start(executor: Any, name: str, **args: Any) -> tuple[asyncio.Task[Any], ExecutorPort, Any]:
    """A run that has written its first line to the console."""
    one, port = a_run(name, **args)
    task = asyncio.create_task(executor.run(one))
    await until(lambda: port.of("log") or task.done())
    return task, port, one


# -- every end takes the place along --------------------------------------------------------------------------------------


@everywhere
@pytest.mark.parametrize("how", ["snooze", "retry", "fail", "cancel", "other"])
def test_the_place_and_the_state_are_those_of_the_end(place: str, way: str, how: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"walk_to{way}", item=30, how=how)
            await executor.run(one)
            assert port.saved["state"] == {"sum": sum(range(30))}
            assert port.saved["positions"][""]["done"] == 30

    run(main())


@everywhere
def test_a_state_that_cannot_be_stored_fails_what_would_continue_from_it(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"bad_state{way}", how="snooze")
            ended = await executor.run(one)
            assert (ended.end, ended.error.type) == (ResultKind.FAILED_FOR_GOOD, "InvalidInput")
            one, port = a_run(f"bad_state{way}", how="other")
            ended = await executor.run(one)
            assert (ended.end, ended.error.type) == (ResultKind.FAILED, "ValueError")
            assert any("could not be saved" in line for line in port.warnings)

    run(main())


@pytest.mark.parametrize(("place", "way"), [("loop", "_async"), ("thread", ""), ("thread", "_async")])
def test_force_leaves_the_place_of_the_last_finished_item(place: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"walk{way}", path=str(path), n=1_000, delay=0.02)
            task = asyncio.create_task(executor.run(one))
            await until(lambda: len(lines(path)) >= 5)
            executor.force(one, because="timeout")
            assert (await asyncio.wait_for(task, 10)).reason == "timeout"
            begun = len(lines(path))
            assert begun - 1 <= port.saved["positions"][""]["done"] <= begun

    run(main())


def test_a_thread_that_is_abandoned_leaves_its_place(tmp_path: Path) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        async with an_executor("thread", force_timeout=0.2) as executor:
            one, port = a_run("walk", path=str(path), n=1_000, delay=1.5)
            task = asyncio.create_task(executor.run(one))
            await until(lambda: lines(path))
            executor.force(one, because="cancel")
            assert (await task).reason == "abandoned"
            assert port.saved["positions"][""]["done"] == 0
            port.raise_flag("lost")

    run(main())


def test_a_killed_child_leaves_what_it_had_reported(tmp_path: Path) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        async with an_executor("process") as executor:
            one, port = a_run("walk", path=str(path), n=10_000, delay=0.005)
            task = asyncio.create_task(executor.run(one))
            await until(lambda: port.stored)  # by the ticker of the child
            executor.force(one, because="cancel")
            assert (await task).reason == "cancel"
            assert 0 < port.saved["positions"][""]["done"] <= len(lines(path))

    run(main())


# -- an interruption cannot be swallowed ----------------------------------------------------------------------------------


@everywhere
@pytest.mark.parametrize("name", ["swallow", "deaf"])
def test_a_return_after_an_interruption_is_no_success(place: str, way: str, name: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            task, port, _ = await start(executor, f"{name}{way}")
            port.raise_flag("pause")
            assert (await asyncio.wait_for(task, 10)).end is ResultKind.INTERRUPTED
            assert any("returned although it had been interrupted" in line for line in port.warnings)

    run(main())


@pytest.mark.parametrize(("place", "way"), [("loop", "_async"), ("thread", ""), ("thread", "_async")])
def test_a_return_after_force_is_no_success(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            task, _, one = await start(executor, f"swallow_force{way}")
            executor.force(one, because="timeout")
            ended = await asyncio.wait_for(task, 10)
            assert (ended.end, ended.reason) == (ResultKind.INTERRUPTED, "timeout")
            assert (await executor.run(a_run(f"add{way}", a=1, b=1)[0])).result == "2"

    run(main())


# -- nothing has an effect after the end ----------------------------------------------------------------------------------


@everywhere
def test_a_pause_waits_for_the_loops_beside_it(place: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        saved, paused = None, 0
        async with an_executor(place) as executor:
            while paused < 3:
                one, port = a_run(f"siblings{way}", saved, path=str(path))
                task = asyncio.create_task(executor.run(one))
                enough = len(lines(path)) + 20
                await until(lambda enough=enough: len(lines(path)) >= enough)
                port.raise_flag("pause")
                assert (await asyncio.wait_for(task, 10)).end is ResultKind.INTERRUPTED
                seen, saved = lines(path), port.stored
                done = {name: position["done"] for name, position in port.saved["positions"].items()}
                assert done == {name: sum(line.startswith(name) for line in seen) for name in done}
                assert_nothing_runs()
                paused += 1

    run(main())
    assert len(set(lines(path))) == len(lines(path))


@in_event_loops
def test_a_task_that_is_left_after_a_success_is_cancelled(place: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / "beats"

    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"leaves_a_heartbeat{way}", path=str(path))
            assert (await executor.run(one)).result == '"done"'
            assert [line for line in port.warnings if "1 of its tasks" in line]
            assert_nothing_runs()

    run(main())


@everywhere
def test_a_loop_that_is_left_after_a_success_runs_to_its_end(place: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"leaves_a_loop{way}", path=str(path))
            assert (await executor.run(one)).result == '"done"'
            assert lines(path) == [str(n) for n in range(10)]
            assert port.saved["positions"][""]["end"] is True
            assert port.warnings == []

    run(main())


@everywhere
def test_a_loop_that_is_left_can_be_interrupted(place: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"leaves_a_loop{way}", path=str(path), seconds=0.1)
            task = asyncio.create_task(executor.run(one))
            await until(lambda: lines(path))
            port.raise_flag("pause")
            assert (await asyncio.wait_for(task, 10)).end is ResultKind.INTERRUPTED
            assert port.saved["positions"][""]["done"] == len(lines(path)) < 10

    run(main())


@pytest.mark.parametrize(("place", "way"), [("loop", "_async"), ("thread", ""), ("thread", "_async")])
def test_a_loop_that_is_left_can_be_ended_by_force(place: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"leaves_a_loop{way}", path=str(path), seconds=0.5)
            task = asyncio.create_task(executor.run(one))
            await until(lambda: lines(path))
            executor.force(one, because="timeout")
            ended = await asyncio.wait_for(task, 10)
            assert (ended.end, ended.reason) == (ResultKind.INTERRUPTED, "timeout")
            port.raise_flag("lost")

    run(main())


@in_event_loops
def test_a_failure_wakes_what_sleeps_beside_it(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place, grace=60.0) as executor:
            ended = await asyncio.wait_for(executor.run(a_run(f"fails_beside_a_sleeper{way}")[0]), 20)
            assert (ended.end, ended.error.type) == (ResultKind.FAILED, "ValueError")

    run(main())


@in_event_loops
def test_a_loop_that_reaches_no_checkpoint_in_the_grace_time_is_cancelled(
    place: str, way: str, tmp_path: Path
) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        async with an_executor(place, grace=0.05) as executor:
            one, port = a_run(f"siblings{way}", path=str(path))
            task = asyncio.create_task(executor.run(one))
            await until(lambda: len(lines(path)) >= 2)
            port.raise_flag("pause")
            assert (await asyncio.wait_for(task, 10)).end is ResultKind.INTERRUPTED
            seen = lines(path)
            assert_nothing_runs()
            assert port.saved["positions"]["slow"]["done"] == sum(line.startswith("slow") for line in seen)

    run(main())


@in_event_loops
def test_the_failure_of_a_task_that_was_left_is_reported(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"leaves_a_failing_task{way}")
            assert (await executor.run(one)).end is ResultKind.SUCCEEDED
            assert any("ValueError: while it cleaned up" in line for line in port.warnings)

    run(main())


@in_event_loops
def test_a_generator_that_was_left_early_cleans_up(place: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"

    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"leaves_a_generator{way}", path=str(path))
            assert (await executor.run(one)).result == '"done"'
            assert lines(path) == ["closed"]
            assert port.warnings == []

    run(main())
