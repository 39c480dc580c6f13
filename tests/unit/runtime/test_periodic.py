"""Parts of a process that fail are logged and restarted, and end their process when that does not help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import pytest
from structlog.testing import capture_logs

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.runtime import periodic
from holdfast.runtime.periodic import FailedTooOften, PeriodicRunner, keep_running
from holdfast.runtime.signals import Listener, Topic

backoff = periodic.backoff

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The failures after which there was a pause; none of them takes time."""
    noted: list[int] = []

    def backoff(failures: int) -> float:
        noted.append(failures)
        return 0.0

    monkeypatch.setattr(periodic, "backoff", backoff)
    return noted


class Body:
    """Raises the given errors, one at each call, then runs until it is cancelled."""

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


async def test_what_fails_is_restarted_logged_and_counted() -> None:
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
    """Else the task would end as if it had been cancelled itself."""
    await cancelled(await steady(Body(asyncio.CancelledError())))


async def test_after_several_failures_it_gives_up_and_says_why() -> None:
    body = Body(*(ValueError(n) for n in range(9)))
    with pytest.raises(FailedTooOften, match="part has failed 5 times") as failed:
        await keep_running("part", body)
    assert body.calls == periodic.MAX_FAILURES
    assert str(failed.value.__cause__) == "4"


async def test_failures_that_lie_far_apart_are_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "STEADY", -1.0)
    await cancelled(await steady(Body(*(ValueError() for _ in range(20)))))


@pytest.mark.parametrize("error", [StorageUnavailable, StorageRefused])
async def test_a_store_that_is_away_is_waited_for_however_long(error: type[Exception]) -> None:
    with capture_logs() as logs:
        await cancelled(await steady(Body(*(error("away") for _ in range(20)))))
    assert {(line["event"], line["part"], line["error"]) for line in logs} == {
        ("storage unavailable", "part", "away")
    }


async def test_a_part_that_returns_is_not_restarted() -> None:
    async def ends() -> None:
        return

    await keep_running("part", ends)


class Quiet:
    """Signals that never come. `waits`: the seconds for which a listener was to wait, none of which it did."""

    word = "nothing"

    def __init__(self) -> None:
        self.open = 0
        self.waits: list[float] = []

    def listen(self, topics: Iterable[Topic]) -> Listener:
        signals = self
        signals.open += 1

        class Nothing:
            def wait(self, timeout: float) -> bool:
                return False

            async def wait_async(self, timeout: float) -> bool:
                signals.waits.append(timeout)
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


class Task:
    """A periodic task that acts in each of its runs, counted from 1, and is `done` after twelve."""

    name = "task"
    topics: Sequence[Topic] = (Topic.WORK,)
    every = 0.0

    def __init__(self, act: Callable[[int], None]) -> None:
        self.passes = 0
        self._act = act
        self.done = asyncio.Event()

    async def run_once(self) -> float:
        self.passes += 1
        self._act(self.passes)
        if self.passes >= 12:
            self.done.set()
        return self.every


async def test_a_task_that_raises_now_and_then_continues() -> None:
    def act(run: int) -> None:
        if run in (3, 4, 8):
            raise ZeroDivisionError

    signals, task, failed = Quiet(), Task(act), asyncio.Event()
    loop = PeriodicRunner(task, signals, failed.set)
    loop.start()
    async with asyncio.timeout(20):
        await task.done.wait()
    assert not failed.is_set()
    await loop.stop()
    assert signals.open == 0
    assert not failed.is_set()


async def test_a_task_that_raises_each_time_ends_its_process() -> None:
    def act(run: int) -> None:
        raise ZeroDivisionError

    signals, task, failed = Quiet(), Task(act), asyncio.Event()
    loop = PeriodicRunner(task, signals, failed.set)
    with capture_logs() as logs:
        loop.start()
        async with asyncio.timeout(20):
            await failed.wait()
    assert task.passes == periodic.MAX_FAILURES
    assert logs[-1]["event"] == "a part of this process failed; stopping the process"
    assert logs[-1]["part"] == "task"
    await loop.stop()
    assert signals.open == 0


# -- pauses -----------------------------------------------------------------------------------------------------------------


def test_the_pause_doubles_with_each_failure_up_to_a_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic.random, "random", lambda: 1.0)
    assert [backoff(n) for n in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff(10_000) == periodic.MAX_BACKOFF
    monkeypatch.setattr(periodic.random, "random", lambda: 0.0)
    assert backoff(1) == 0.25


async def test_outages_of_the_store_and_failures_are_counted_apart(pauses: list[int]) -> None:
    body = Body(
        StorageUnavailable("away"), ValueError(), StorageUnavailable("away"), StorageUnavailable("away")
    )
    await cancelled(await steady(body))
    assert pauses == [1, 1, 2, 3]


# -- the periodic runner ----------------------------------------------------------------------------------------------------


def nothing(run: int) -> None:
    return


async def test_between_two_runs_a_task_waits_for_its_signals_as_long_as_it_says() -> None:
    signals, task = Quiet(), Task(nothing)
    task.every = 1.5
    runner = PeriodicRunner(task, signals, lambda: None)
    runner.start()
    async with asyncio.timeout(20):
        await task.done.wait()
    await runner.stop()
    assert set(signals.waits) == {1.5}


async def test_while_the_store_is_away_signals_do_not_shorten_the_pause(pauses: list[int]) -> None:
    """Each write to a store that is away would wake every task."""

    def act(run: int) -> None:
        if run in (1, 2, 3, 6):
            raise StorageUnavailable("away")

    signals, task = Quiet(), Task(act)
    runner = PeriodicRunner(task, signals, lambda: None)
    runner.start()
    async with asyncio.timeout(20):
        await task.done.wait()
    await runner.stop()
    assert pauses == [1, 2, 3, 1], "counted anew after each success"
    assert len(signals.waits) in (task.passes - 5, task.passes - 4), "one for each run that succeeded"


async def test_a_task_without_topics_listens_to_nothing() -> None:
    signals, task = Quiet(), Task(nothing)
    task.topics = ()
    runner = PeriodicRunner(task, signals, lambda: None)
    runner.start()
    async with asyncio.timeout(20):
        await task.done.wait()
    assert signals.open == 0
    await runner.stop()


async def test_starting_twice_and_stopping_before_the_start_are_harmless() -> None:
    signals, task = Quiet(), Task(nothing)
    runner = PeriodicRunner(task, signals, lambda: None)
    await runner.stop()
    runner.start()
    runner.start()
    async with asyncio.timeout(20):
        await task.done.wait()
    assert signals.open == 1
    await runner.stop()
    await runner.stop()
    assert signals.open == 0


async def test_a_task_can_be_started_again_after_a_stop() -> None:
    signals, task = Quiet(), Task(nothing)
    runner = PeriodicRunner(task, signals, lambda: None)
    runner.start()
    async with asyncio.timeout(20):
        await task.done.wait()
    await runner.stop()
    passes = task.passes
    task.done.clear()
    runner.start()
    async with asyncio.timeout(20):
        await task.done.wait()
    await runner.stop()
    assert task.passes > passes
