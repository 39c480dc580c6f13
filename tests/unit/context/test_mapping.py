"""Items in parallel: each is held when it is done, and the results keep the order of the items."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.context import JobContext
from holdfast.core.errors import InvalidInput
from holdfast.core.outcome import Interrupted
from tests.unit.context.recording import RecordingPort

WAYS: list[dict[str, Any]] = [{}, {"after": lambda n: n}, {"key": lambda n: n}]


class Attempts:
    """Runs a job of one `map` until it ends, and pauses it after so many calls."""

    def __init__(self, stops: list[int], *, in_loop: bool, crash: bool = False) -> None:
        self._stops = stops
        self._in_loop = in_loop
        self._crash = crash
        self._lock = threading.Lock()
        self.seen: list[int] = []
        self.port = RecordingPort()

    def run(self, source: Callable[[], Any], parallel: int, **how: Any) -> list[int | None]:
        while True:
            self.port = RecordingPort(self.port.stored)
            self._left = self._stops.pop(0) if self._stops else -1
            ctx = JobContext(self.port)
            try:
                if self._in_loop:
                    return asyncio.run(self._in_the_loop(ctx, source(), parallel, how))
                return ctx.map(self._call, source(), parallel, **how)
            except Interrupted:
                assert self.port.memory is not None
                if not self._crash:
                    assert self.port.memory.end() is None

    async def _in_the_loop(
        self, ctx: JobContext, source: Any, parallel: int, how: dict[str, Any]
    ) -> list[int | None]:
        return await ctx.map(self._call_async, source, parallel, **how)

    def _call(self, n: int) -> int | None:
        with self._lock:
            self.seen.append(n)
            self._left -= 1
            if self._left == 0:
                self.port.flags.pause = True
        return n * n or None

    async def _call_async(self, n: int) -> int | None:
        await asyncio.sleep(0)
        return self._call(n)


@given(
    st.integers(0, 12),
    st.integers(1, 5),
    st.lists(st.integers(1, 6), max_size=4),
    st.sampled_from(WAYS),
    st.booleans(),
)
def test_every_item_is_done_once_and_the_results_are_in_order(
    n: int, parallel: int, stops: list[int], way: dict[str, Any], in_loop: bool
) -> None:
    attempts = Attempts(list(stops), in_loop=in_loop)
    assert attempts.run(lambda: list(range(n)), parallel, **way) == [i * i or None for i in range(n)]
    assert sorted(attempts.seen) == list(range(n))


@pytest.mark.parametrize("in_loop", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_finished_map_keeps_its_results(in_loop: bool, way: dict[str, Any]) -> None:
    attempts = Attempts([], in_loop=in_loop)
    first = attempts.run(lambda: list(range(5)), 2, **way)
    assert attempts.port.memory is not None
    attempts.port.memory.end()
    assert attempts.run(lambda: list(range(5)), 2, **way) == first == [None, 1, 4, 9, 16]
    assert sorted(attempts.seen) == list(range(5))


@pytest.mark.parametrize("in_loop", [False, True])
def test_as_many_run_at_once_as_were_asked_for(in_loop: bool) -> None:
    everyone = threading.Barrier(4)

    def meet(_: int) -> None:
        everyone.wait(20)

    async def meet_async(_: int) -> None:
        await asyncio.to_thread(everyone.wait, 20)

    ctx = JobContext(RecordingPort())
    if in_loop:

        async def job() -> None:
            await ctx.map(meet_async, range(8), parallel=4)

        asyncio.run(job())
    else:
        ctx.map(meet, range(8), parallel=4)


def test_what_is_done_out_of_order_is_held_too() -> None:
    port = RecordingPort()
    release = asyncio.Event()

    async def call(n: int) -> str:
        if n == 0:
            await release.wait()
        return f"r{n}"

    async def job() -> list[str]:
        task = asyncio.ensure_future(JobContext(port).map(call, range(4), parallel=2))
        while port.memory is None or "r3" not in (port.stored or ""):
            await asyncio.sleep(0)
            if port.memory is not None:
                port.memory.end()
        assert port.saved["positions"][""] == {
            "done": 0,
            "total": 4,
            "ahead": ["1", "2", "3"],
            "results": {"1": "r1", "2": "r2", "3": "r3"},
        }
        release.set()
        return await task

    assert asyncio.run(job()) == ["r0", "r1", "r2", "r3"]

    seen: list[int] = []

    def again(n: int) -> str:
        seen.append(n)
        return f"again {n}"

    saved = json.dumps({"positions": {"": {"done": 0, "total": 4, "ahead": ["2"], "results": {"2": "r2"}}}})
    assert JobContext(RecordingPort(saved)).map(again, range(4), 1) == ["again 0", "again 1", "r2", "again 3"]
    assert seen == [0, 1, 3]


def test_steps_and_loops_belong_to_their_item() -> None:
    port, sent = RecordingPort(), list[str]()
    ctx = JobContext(port)

    def send(n: int, part: str) -> str:
        sent.append(f"{n}{part}")
        return f"{n}{part}"

    def call(n: int) -> list[str]:
        results = [ctx.step(f"send {part}", send, n, part) for part in "ab"]
        if n == 2 and port.attempt.saved is None:
            port.flags.pause = True
            ctx.raise_if_interrupted()
        return results

    with pytest.raises(Interrupted):
        ctx.map(call, range(4), parallel=2)
    assert port.saved["positions"][""]["items"]["2"] == {"steps": {"send a": "2a", "send b": "2b"}}
    port = RecordingPort(port.stored)
    ctx = JobContext(port)
    assert ctx.map(call, range(4), parallel=2) == [[f"{n}a", f"{n}b"] for n in range(4)]
    assert sorted(sent) == sorted(f"{n}{part}" for n in range(4) for part in "ab")


@pytest.mark.parametrize("in_loop", [False, True])
def test_the_first_exception_begins_nothing_more_and_lets_the_others_finish(in_loop: bool) -> None:
    port, done, begun = RecordingPort(), list[int](), list[int]()
    both, raised = threading.Barrier(2), threading.Event()

    def call(n: int) -> None:
        begun.append(n)
        both.wait(20)
        if n == 0:
            raised.set()
            raise ValueError("item 0")
        raised.wait(20)
        while not port.flags.stop:  # until the map has heard of the exception
            threading.Event().wait(0.001)
        done.append(n)

    async def call_async(n: int) -> None:
        await asyncio.to_thread(call, n)

    async def job() -> None:
        await JobContext(port).map(call_async, range(9), parallel=2)

    def stop_soon() -> None:
        raised.wait(20)
        threading.Timer(0.05, port.raise_flag, ("stop",)).start()

    threading.Thread(target=stop_soon).start()
    with pytest.raises(ValueError, match="item 0"):
        asyncio.run(job()) if in_loop else JobContext(port).map(call, range(9), parallel=2)
    assert (sorted(begun), done) == ([0, 1], [1])
    assert port.memory is not None
    port.memory.end()
    assert port.saved["positions"][""]["ahead"] == ["1"]


def test_every_stores_durably() -> None:
    port = RecordingPort()
    JobContext(port).map(lambda n: None, range(6), parallel=1, every=2)
    assert len(port.of("save")) == 3


def test_a_plain_function_runs_in_threads_of_an_async_job() -> None:
    async def numbers() -> AsyncIterator[int]:
        for n in range(3):
            yield n

    async def job() -> Any:
        main = threading.get_ident()
        ctx: Any = JobContext(RecordingPort())  # its types know functions of the job's own kind only
        return await ctx.map(lambda n: (n, threading.get_ident() != main), numbers())

    assert asyncio.run(job()) == [[0, True], [1, True], [2, True]]


def test_an_async_function_in_a_def_job_says_what_to_do() -> None:
    async def call(n: int) -> int:
        return n

    with pytest.raises(TypeError, match="async def"):
        JobContext(RecordingPort()).map(call, [1])


def test_a_result_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(InvalidInput, match="result of map"):
        JobContext(RecordingPort()).map(lambda n: object(), [1, 2])


@pytest.mark.parametrize("parallel", [0, -1, 1.5, True])
def test_parallel_must_be_a_number(parallel: Any) -> None:
    with pytest.raises(InvalidInput, match="parallel"):
        JobContext(RecordingPort()).map(str, [1], parallel)
