"""A loop continues at its place: exactly after a pause, from the last held item after a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.client.views import Progress
from holdfast.context import JobContext
from holdfast.core.errors import InvalidInput, LeaseLost
from holdfast.core.outcome import Interrupted
from tests.unit.context.recording import RecordingPort, end


class Pauses:
    """Sets the pause flag after so many points of a job have been passed."""

    def __init__(self, points: list[int]) -> None:
        self._points = points
        self.port = RecordingPort()
        self._left = 0

    def next_attempt(self) -> JobContext:
        self.port = RecordingPort(self.port.stored)
        self._left = self._points.pop(0) if self._points else -1
        self.passed()
        return JobContext(self.port)

    def passed(self) -> None:
        if self._left == 0:
            self.port.flags.pause = True
        self._left -= 1

    def run_to_the_end(self, job: Callable[[JobContext], None]) -> None:
        while True:
            try:
                return job(self.next_attempt())
            except Interrupted:
                continue


def source(kind: str, n: int) -> Any:
    return {
        "list": list(range(n)),
        "range": range(n),
        "generator": (i for i in range(n)),
        "dict": dict.fromkeys(range(n)),
    }[kind]


@given(
    st.integers(0, 12),
    st.lists(st.integers(0, 13), max_size=8),
    st.sampled_from(["list", "range", "generator", "dict"]),
)
def test_every_item_is_done_once_whenever_it_was_paused(n: int, points: list[int], kind: str) -> None:
    seen: list[int] = []
    pauses = Pauses(points)

    def job(ctx: JobContext) -> None:
        for item in ctx.track(source(kind, n)):
            seen.append(item)
            pauses.passed()

    pauses.run_to_the_end(job)
    assert seen == list(range(n))


@given(
    st.integers(0, 12), st.lists(st.integers(0, 13), max_size=8), st.booleans(), st.sampled_from([None, 1, 3])
)
def test_async_for_is_as_exact(n: int, points: list[int], native: bool, every: int | None) -> None:
    seen: list[int] = []
    pauses = Pauses(points)

    async def numbers() -> AsyncIterator[int]:
        for i in range(n):
            yield i

    async def job(ctx: JobContext) -> None:
        async for item in ctx.track(numbers() if native else range(n), every=every):
            seen.append(item)
            pauses.passed()

    pauses.run_to_the_end(lambda ctx: asyncio.run(job(ctx)))
    assert seen == list(range(n))


@given(
    st.lists(st.integers(0, 4), max_size=5),
    st.lists(st.integers(0, 12), max_size=12),
    st.sampled_from([(None, None), ("files", "rows"), (None, "rows"), ("same", "same")]),
)
def test_nested_and_following_loops_are_exact(
    sizes: list[int], points: list[int], names: tuple[str | None, str | None]
) -> None:
    seen: list[tuple[str, int, int]] = []
    pauses = Pauses(points)

    def job(ctx: JobContext) -> None:
        for file, size in ctx.track(list(enumerate(sizes)), name=names[0]):
            for row in ctx.track(range(size), name=names[1]):
                seen.append(("first", file, row))
                pauses.passed()
            for row in ctx.track(range(2), name=names[1]):
                seen.append(("second", file, row))
                pauses.passed()
        for row in ctx.track(range(3), name=names[0]):
            seen.append(("after", 0, row))
            pauses.passed()

    pauses.run_to_the_end(job)
    expected = [("after", 0, row) for row in range(3)]
    for file in reversed(range(len(sizes))):
        first, second = (
            [("first", file, r) for r in range(sizes[file])],
            [("second", file, r) for r in range(2)],
        )
        expected = first + second + expected
    assert seen == expected


@given(st.lists(st.integers(0, 9), max_size=8))
def test_a_sum_in_the_state_fits_the_position(points: list[int]) -> None:
    sums: list[int] = []
    pauses = Pauses(points)

    def job(ctx: JobContext) -> None:
        for item in ctx.track(range(10)):
            pauses.passed()
            ctx.state["sum"] = ctx.state.get("sum", 0) + item
        sums.append(ctx.state["sum"])

    pauses.run_to_the_end(job)
    assert sums == [45]


def test_an_item_counts_when_the_body_asks_for_the_next() -> None:
    port = RecordingPort()
    ctx = JobContext(port)

    def job() -> None:
        for item in ctx.track(range(5)):
            if item == 2:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        job()
    ctx.checkpoint(None)
    assert port.saved == {"state": None, "positions": {"": {"done": 2, "total": 5, "last": 1}}}


def test_a_finished_loop_does_not_touch_its_source_again() -> None:
    port = RecordingPort()
    assert list(JobContext(port).track(iter("abc"))) == ["a", "b", "c"]

    def never() -> Iterator[str]:
        raise AssertionError
        yield ""

    assert list(JobContext(end(port)).track(never())) == []


def test_two_loops_side_by_side_keep_their_own_places() -> None:
    port = RecordingPort()

    async def job() -> None:
        ctx = JobContext(port)

        async def part(name: str, n: int) -> None:
            async for _ in ctx.track(range(n), name=name):
                await asyncio.sleep(0)

        await asyncio.gather(part("a", 3), part("b", 5))

    asyncio.run(job())
    end(port)
    assert {name: (p["done"], p["end"]) for name, p in port.saved["positions"].items()} == {
        "a": (3, True),
        "b": (5, True),
    }


def test_a_break_out_of_an_async_loop_ends_its_surrounding() -> None:
    port = RecordingPort()

    async def job() -> None:
        ctx = JobContext(port)
        async for _ in ctx.track(range(3)):
            break
        async for _ in ctx.track(range(2)):
            pass

    asyncio.run(job())
    end(port)
    assert {label: (p["done"], "end" in p) for label, p in port.saved["positions"].items()} == {
        "": (0, False),
        "2": (2, True),
    }


def test_every_stores_durably_before_the_next_item() -> None:
    port = RecordingPort()
    durable = []
    for _ in JobContext(port).track(range(5), every=2):
        durable.append(json.loads(port.durable)["positions"][""]["done"] if port.durable else 0)
    assert durable == [0, 0, 2, 2, 4]
    assert json.loads(port.durable or "")["positions"][""] == {"done": 5, "total": 5, "last": 4, "end": True}


def test_every_must_be_positive() -> None:
    with pytest.raises(InvalidInput):
        JobContext(RecordingPort()).track(range(3), every=0)


def test_a_fast_loop_hands_up_little() -> None:
    port = RecordingPort()
    for _ in JobContext(port).track(range(10_000)):
        pass
    assert len(port.events) < 100


def test_position_is_reported_before_the_progress_that_shows_it() -> None:
    port = RecordingPort()

    def job() -> None:
        for item in JobContext(port).track(range(9)):
            port.flags.stop = item == 4

    with pytest.raises(Interrupted):
        job()
    assert [kind for kind, _ in port.events][-2:] == ["hold", "progress"]
    assert port.last_progress == {"done": 5, "total": 9, "held": 5}
    assert port.saved == {"positions": {"": {"done": 5, "total": 9, "last": 4}}}


def test_a_lost_job_hands_nothing_up() -> None:
    port = RecordingPort()

    def job() -> None:
        for item in JobContext(port).track(range(9)):
            if item == 4:
                port.events.clear()
                port.flags.lost = port.flags.pause = True

    with pytest.raises(LeaseLost):
        job()
    assert port.events == []


def test_a_flag_that_is_set_beforehand_stops_before_the_first_item() -> None:
    port = RecordingPort()
    port.flags.cancel = True

    def job() -> None:
        for _ in JobContext(port).track(range(9)):
            raise AssertionError

    with pytest.raises(Interrupted):
        job()


def test_a_sync_loop_over_an_async_source_is_refused() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(TypeError, match="async for"):
        iter(JobContext(RecordingPort()).track(numbers()))


def test_bars_have_the_form_that_is_shown() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    for _ in ctx.track("ab", name="files"):
        for _ in ctx.track("xyz"):
            pass
    ctx.progress(3, 4, "almost\x00", name="rows")
    end(port)
    shown = Progress.model_validate(port.last_progress)
    assert (shown.done, shown.total) == (3, 3)  # the unnamed loop is the main bar
    assert [(bar.name, bar.done, bar.total, bar.held) for bar in shown.bars] == [
        ("files", 2, 2, 2),
        ("rows", 3, 4, None),
    ]
    assert shown.bars[1].message == "almost�"


def test_without_a_main_bar_the_first_named_one_is_it() -> None:
    port = RecordingPort()
    JobContext(port).progress(1, 2, name="rows")
    assert port.last_progress == {"done": 1, "total": 2, "bars": [{"name": "rows", "done": 1, "total": 2}]}


def test_an_inner_loop_beside_an_unnamed_outer_one_has_a_bar_of_its_own() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    for _ in ctx.track("ab"):
        for _ in ctx.track("xyz"):
            pass
    assert port.last_progress["done"] == 2
    assert [bar["name"] for bar in port.last_progress["bars"]] == ["2"]


def test_only_the_newest_bars_are_kept() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    for n in range(200):
        ctx.progress(n, name=f"file {n}")
    names = [bar["name"] for bar in port.last_progress["bars"]]
    assert names == [f"file {n}" for n in range(150, 200)]


def test_the_event_loop_runs_while_a_body_never_waits() -> None:
    turns = 0

    async def job() -> None:
        nonlocal turns
        done = False

        async def other() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        async for _ in JobContext(RecordingPort()).track(range(300_000)):
            pass
        done = True
        await task

    asyncio.run(job())
    assert turns > 2
