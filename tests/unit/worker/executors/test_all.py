"""What holds in the loop, in a thread and in a child process alike."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from holdfast.core.errors import LeaseLost, StorageUnavailable
from holdfast.core.outcome import ResultKind
from tests.unit.worker.executors.helpers import a_run, an_executor, run, until

PLACES = [("loop", "_async"), ("thread", ""), ("thread", "_async"), ("process", ""), ("process", "_async")]
everywhere = pytest.mark.parametrize(("place", "way"), PLACES)


@everywhere
def test_a_result_is_json(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            ended = await executor.run(a_run(f"add{way}", a=2, b=3)[0])
            assert (ended.end, ended.result) == (ResultKind.SUCCEEDED, "5")

    run(main())


@everywhere
def test_arguments_that_do_not_fit_are_refused(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            ended = await executor.run(a_run(f"add{way}", a="two", b=3, c=4)[0])
            assert (ended.end, ended.reason) == (ResultKind.FAILED_FOR_GOOD, "arguments refused")

    run(main())


@everywhere
def test_a_pause_and_a_resume_are_exact(place: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / "items"

    async def main() -> None:
        saved = None
        async with an_executor(place) as executor:
            for enough in (5, 20):
                one, port = a_run(f"walk{way}", saved, path=str(path), n=40)
                task = asyncio.create_task(executor.run(one))
                await until(lambda enough=enough: path.exists() and path.read_text().count("\n") >= enough)
                port.raise_flag("pause")
                assert (await task).end is ResultKind.INTERRUPTED
                saved = port.stored
            last, _ = a_run(f"walk{way}", saved, path=str(path), n=40)
            assert (await executor.run(last)).result == "40"

    run(main())
    assert path.read_text().split() == [str(n) for n in range(40)]


@everywhere
def test_sleep_wakes_for_a_pause(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"nap{way}")
            task = asyncio.create_task(executor.run(one))
            await until(lambda: port.of("log"))
            port.raise_flag("cancel")
            ended = await asyncio.wait_for(task, 10)
            assert ended.end is ResultKind.INTERRUPTED

    run(main())


@everywhere
def test_a_checkpoint_and_a_step_are_stored_when_they_return(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"keep{way}", '{"state":{"n":4},"steps":{"pid":5}}')
            assert (await executor.run(one)).result == "5"
            assert port.durable == '{"state":{"n":5},"steps":{"pid":5}}'
            one, port = a_run(f"keep{way}")
            pid = (await executor.run(one)).result
            assert json.loads(port.durable or "") == {"state": {"n": 1}, "steps": {"pid": int(pid)}}

    run(main())


@everywhere
def test_a_save_that_is_refused_raises_in_the_job(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"keep{way}")
            port.refuse = LeaseLost("another one has it")
            assert (await executor.run(one)).end is ResultKind.LOST
            one, port = a_run(f"keep{way}")
            port.refuse = StorageUnavailable("the disk is full")
            ended = await executor.run(one)
            assert ended.end is ResultKind.SNOOZE
            assert ended.error is not None
            assert (ended.error.type, ended.error.message) == (
                "StorageUnavailable",
                "the disk is full",
            )

    run(main())


@pytest.mark.parametrize("place", ["loop", "thread", "process"])
def test_every_end_is_a_result(place: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:

            async def end(how: str) -> object:
                return await executor.run(a_run("end", how=how)[0])

            assert await end("fail") == _ended(ResultKind.FAILED_FOR_GOOD, reason="no")
            assert await end("retry") == _ended(ResultKind.RETRY, delay=3)
            assert await end("snooze") == _ended(ResultKind.SNOOZE, delay=4)
            assert await end("cancel") == _ended(ResultKind.CANCELLED, reason="enough")
            assert await end("not json") == _ended(ResultKind.FAILED_FOR_GOOD, reason="result refused")
            assert await end("nan") == _ended(ResultKind.FAILED_FOR_GOOD, reason="result refused")
            assert await end("unprintable") == _ended(ResultKind.FAILED)
            assert await end("other") == _ended(ResultKind.FAILED)
            cancelled = await end("cancelled")
            assert cancelled == _ended(ResultKind.FAILED) or cancelled == _ended(ResultKind.INTERRUPTED)

            ended = await executor.run(a_run("die", how="sys.exit")[0])
            assert (ended.end, ended.error.type) == (ResultKind.FAILED, "SystemExit")

    run(main())


class _ended:
    """Equal to an AttemptResult with these members, whatever the others are."""

    def __init__(self, end: ResultKind, **members: object) -> None:
        self._members = {"end": end, **members}

    def __eq__(self, other: object) -> bool:
        return all(getattr(other, name) == value for name, value in self._members.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._members)


@everywhere
def test_force_ends_a_job_that_does_not_listen(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"stubborn{way}")
            task = asyncio.create_task(executor.run(one))
            await until(lambda: port.of("log"))
            executor.force(one, because="timeout")
            executor.force(one, because="stop")
            ended = await asyncio.wait_for(task, 10)
            assert (ended.end, ended.reason) == (ResultKind.INTERRUPTED, "timeout")
            executor.force(one, because="stop")  # it has ended: nothing happens
            assert (await executor.run(a_run("add", a=1, b=1)[0])).result == "2"

    run(main())


@everywhere
def test_a_worker_that_gives_up_waiting_gets_no_result(place: str, way: str) -> None:
    async def main() -> None:
        async with an_executor(place) as executor:
            one, port = a_run(f"stubborn{way}")
            task = asyncio.create_task(executor.run(one))
            await until(lambda: port.of("log"))
            task.cancel()
            if place == "loop":  # the job runs in this very task, and might have cancelled itself
                assert (await task).end is ResultKind.FAILED
            else:
                with pytest.raises(asyncio.CancelledError):
                    await task

    run(main())
