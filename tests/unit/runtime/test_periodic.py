"""No part of a process dies unseen: it is begun anew, and after several failures its process is told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import pytest
from structlog.testing import capture_logs

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.runtime import periodic as service
from holdfast.runtime.periodic import FailedTooOften, PeriodicRunner, keep_running
from holdfast.runtime.signals import Listener, Topic

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "backoff", lambda failures: 0.0)


class Body:
    """Raises the given errors, one at each call, then goes on until it is cancelled."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.steady = asyncio.Event()

    async def __call__(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        self.steady.set()
        await asyncio.Event().wait()


async def steady(body: Body) -> asyncio.Task[None]:
    task = asyncio.create_task(keep_running("part", body))
    async with asyncio.timeout(20):
        await body.steady.wait()
    return task


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_fails_is_begun_anew_logged_and_counted() -> None:
    body = Body(ValueError("first"), ValueError("second"))
    with capture_logs() as logs:
        task = await steady(body)
    assert body.calls == 3
    assert [(line["part"], line["times"], line["log_level"]) for line in logs] == [
        ("part", 1, "error"),
        ("part", 2, "error"),
    ]
    assert str(logs[0]["exc_info"]) == "first"
    await cancelled(task)


async def test_what_it_awaits_being_cancelled_is_a_failure_of_its_own() -> None:
    """Else the task would end as if somebody had stopped it."""
    await cancelled(await steady(Body(asyncio.CancelledError())))


async def test_after_several_failures_it_gives_up_and_says_why() -> None:
    body = Body(*(ValueError(n) for n in range(9)))
    with pytest.raises(FailedTooOften, match="part has failed 5 times") as failed:
        await keep_running("part", body)
    assert body.calls == service.MAX_FAILURES
    assert str(failed.value.__cause__) == "4"


async def test_failures_that_lie_far_apart_are_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "STEADY", -1.0)
    await cancelled(await steady(Body(*(ValueError() for _ in range(20)))))


@pytest.mark.parametrize("error", [StorageUnavailable, StorageRefused])
async def test_a_store_that_is_away_is_waited_for_however_long(error: type[Exception]) -> None:
    with capture_logs() as logs:
        await cancelled(await steady(Body(*(error("away") for _ in range(20)))))
    assert {(line["event"], line["part"], line["error"]) for line in logs} == {
        ("storage unavailable", "part", "away")
    }


async def test_what_was_told_to_end_has_ended() -> None:
    async def ends() -> None:
        return

    await keep_running("part", ends)


class Quiet:
    """Signals that never come."""

    word = "nothing"

    def __init__(self) -> None:
        self.open = 0

    def listen(self, topics: Iterable[Topic]) -> Listener:
        signals = self
        signals.open += 1

        class Nothing:
            def wait(self, timeout: float) -> bool:
                return False

            async def wait_async(self, timeout: float) -> bool:
                await asyncio.sleep(0)
                return False

            def close(self) -> None:
                signals.open -= 1

        return Nothing()

    def notify(self, topics: Iterable[Topic]) -> None:
        return

    def ready(self, timeout: float) -> bool:
        return True

    def close(self) -> None:
        return


class PeriodicTask:
    name = "task"
    topics: Sequence[Topic] = (Topic.WORK,)

    def __init__(self, act: Callable[[int], None]) -> None:
        self.passes = 0
        self._act = act
        self.done = asyncio.Event()

    async def run_once(self) -> float:
        self.passes += 1
        self._act(self.passes)
        if self.passes >= 12:
            self.done.set()
        return 0.0


async def test_a_task_that_raises_now_and_then_goes_on() -> None:
    def act(turn: int) -> None:
        if turn in (3, 4, 8):
            raise ZeroDivisionError

    signals, task, failed = Quiet(), PeriodicTask(act), asyncio.Event()
    loop = PeriodicRunner(task, signals, failed.set)
    loop.start()
    async with asyncio.timeout(20):
        await task.done.wait()
    assert not failed.is_set()
    await loop.stop()
    assert signals.open == 0
    assert not failed.is_set()


async def test_a_task_that_raises_each_time_ends_its_process() -> None:
    def act(turn: int) -> None:
        raise ZeroDivisionError

    signals, task, failed = Quiet(), PeriodicTask(act), asyncio.Event()
    loop = PeriodicRunner(task, signals, failed.set)
    with capture_logs() as logs:
        loop.start()
        async with asyncio.timeout(20):
            await failed.wait()
    assert task.passes == service.MAX_FAILURES
    assert logs[-1]["event"] == "a part of this process failed; stopping the process"
    assert logs[-1]["part"] == "task"
    await loop.stop()
    assert signals.open == 0
