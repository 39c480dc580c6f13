"""An interruption that the job swallows is one all the same: the items around it are not done."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from holdfast.context import JobContext
from holdfast.core.outcome import Interrupted
from tests.unit.context.recording import RecordingPort, end


def test_an_item_whose_interruption_is_swallowed_is_not_done() -> None:
    def job(port: RecordingPort, stop: bool) -> list[Any]:
        ctx, seen = JobContext(port), list[Any]()
        for outer in ctx.track(range(2)):
            try:
                for inner in ctx.track(range(3)):
                    port.flags.pause = stop and inner == 1
                    ctx.step("send", int)
                    seen.append((outer, inner))
            except BaseException:
                pass
        return seen

    port = RecordingPort()
    with pytest.raises(Interrupted):
        job(port, stop=True)
    assert job(end(port), stop=False) == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


def test_an_interruption_that_leaves_a_loop_open_beside_is_one_all_the_same() -> None:
    async def job(port: RecordingPort) -> None:
        ctx = JobContext(port)

        async def slow() -> None:
            async for _ in ctx.track(range(2), name="slow"):
                await asyncio.sleep(3600)

        async def paused() -> None:
            await asyncio.sleep(0)
            port.flags.pause = True
            ctx.raise_if_interrupted()

        for _ in ctx.track(range(2)):
            with contextlib.suppress(BaseException):
                await asyncio.gather(slow(), paused())  # raises at once, while the loop of the other is open

    with pytest.raises(Interrupted):
        asyncio.run(job(RecordingPort()))


def test_a_call_of_map_that_swallows_its_interruption_is_not_done() -> None:
    port, seen = RecordingPort(), list[int]()
    ctx = JobContext(port)

    def call(n: int) -> None:
        port.flags.pause = n == 1 and port.attempt.saved is None
        with contextlib.suppress(BaseException):
            JobContext.raise_if_interrupted(ctx)
            seen.append(n)

    with pytest.raises(Interrupted):
        ctx.map(call, range(3), parallel=1)
    port = end(port)
    ctx = JobContext(port)
    ctx.map(call, range(3), parallel=1)
    assert seen == [0, 1, 2]
