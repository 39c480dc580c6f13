"""Where a loop or a step belongs: the item of the loop around it, whatever task or thread it is called in."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast.context import JobContext
from holdfast.core.errors import CheckpointMismatch, InvalidInput, TooLarge
from holdfast.core.outcome import Interrupted
from holdfast.core.sizes import MAX_SAVED
from tests.unit.context.recording import RecordingPort, end

# -- what belongs where ---------------------------------------------------------------------------------------------------


def send(row: int, part: str) -> list[Any]:
    return [row, part]


WANTED = [[row, part] for row in range(4) for part in "ab"]


def test_a_step_in_a_thread_without_context_variables_belongs_to_the_innermost_item() -> None:
    results: list[Any] = []
    ctx = JobContext(RecordingPort())
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for row in ctx.track(range(4)):
            results += pool.map(lambda part, row=row: ctx.step(f"send {part}", send, row, part), "ab")
    assert results == WANTED


def test_where_the_item_is_not_clear_a_step_is_refused() -> None:
    ctx = JobContext(RecordingPort())

    async def part(name: str) -> None:
        loop = asyncio.get_running_loop()
        async for _ in ctx.track(range(2), name=name):
            await asyncio.sleep(0)
            await loop.run_in_executor(None, lambda: ctx.step("a", int))

    async def job() -> None:
        await asyncio.gather(part("one"), part("two"))

    with pytest.raises(InvalidInput, match="'one', 'two'"):
        asyncio.run(job())


def test_a_step_below_wait_for_belongs_to_its_item() -> None:
    async def job() -> list[Any]:
        ctx = JobContext(RecordingPort())
        items, results = aiter(ctx.track(range(4))), list[Any]()
        while True:
            try:
                row = await asyncio.wait_for(anext(items), 5)
            except StopAsyncIteration:
                return results
            results += [await ctx.step_async(f"send {part}", send, row, part) for part in "ab"]

    assert asyncio.run(job()) == WANTED


def test_a_step_beside_a_loop_of_another_task_belongs_to_the_job() -> None:
    port = RecordingPort()

    async def job() -> None:
        ctx, begun = JobContext(port), asyncio.Event()

        async def part() -> None:
            async for _ in ctx.track(range(2), name="part"):
                begun.set()
                await asyncio.sleep(0.01)

        task = asyncio.create_task(part())
        await begun.wait()
        await ctx.step_async("beside", int)
        await task

    asyncio.run(job())
    end(port)
    assert port.saved["steps"] == {"beside": 0}


def test_a_name_of_a_step_is_not_taken_for_another_call() -> None:
    ctx, sent = JobContext(RecordingPort()), list[int]()
    ctx.step("send", sent.append, 1)
    ctx.step("send", sent.append, 1)
    with pytest.raises(InvalidInput, match="used for another call"):
        ctx.step("send", sent.append, 2)

    def closure(n: int) -> Callable[[], None]:
        return lambda: sent.append(n)

    ctx.step("closure", closure(3))
    with pytest.raises(InvalidInput, match="used for another call"):
        ctx.step("closure", closure(4))
    assert sent == [1, 3]


def test_a_step_that_runs_twice_at_once_is_refused() -> None:
    async def job() -> None:
        ctx = JobContext(RecordingPort())
        await asyncio.gather(ctx.step_async("a", asyncio.sleep, 0), ctx.step_async("a", asyncio.sleep, 0))

    with pytest.raises(InvalidInput, match="running already"):
        asyncio.run(job())


def test_a_step_that_makes_the_state_too_large_is_forgotten() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    ctx.step("first", lambda: "x" * (MAX_SAVED // 2))
    with pytest.raises(TooLarge, match="saved state"):
        ctx.step("second", lambda: "y" * (MAX_SAVED // 2))
    assert port.memory is not None
    assert port.memory.end() is None
    assert list(port.saved["steps"]) == ["first"]


def test_loops_of_one_name_side_by_side_are_refused() -> None:
    async def job(name: str | None) -> None:
        ctx = JobContext(RecordingPort())

        async def part(n: int) -> None:
            async for _ in ctx.track(range(n), name=name):
                await asyncio.sleep(0)

        await asyncio.gather(part(6), part(30))

    for name in (None, "part"):
        with pytest.raises(InvalidInput, match="still open"):
            asyncio.run(job(name))


def test_two_tracks_in_a_zip_are_refused() -> None:
    ctx = JobContext(RecordingPort())
    with pytest.raises(InvalidInput, match="zip"):
        list(zip(ctx.track("abc"), ctx.track("def"), strict=True))


def test_many_loops_one_after_the_other_are_one_short_mark() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    for n in range(500):
        for _ in ctx.track(range(n % 3)):
            pass
    later = end(port)
    assert len(port.stored or "") < 100
    ctx, seen = JobContext(later), list[int]()
    for n in range(501):
        for _ in ctx.track(range(n % 3)):
            seen.append(n)
    assert seen == [500, 500]
    other = JobContext(end(port))

    def changed() -> None:
        for n in range(500):
            for _ in other.track(range(n % 4)):
                pass

    with pytest.raises(CheckpointMismatch, match="loops over other items"):
        changed()


def test_a_loop_that_is_left_by_break_runs_its_item_again() -> None:
    def job(port: RecordingPort) -> Iterator[int]:
        ctx = JobContext(port)
        for item in ctx.track(range(20)):
            yield item
            if item == 5:
                break

    port = RecordingPort()
    assert list(job(port)) == [0, 1, 2, 3, 4, 5]
    assert list(job(end(port))) == [5]


def test_what_was_done_in_an_item_waits_for_that_item() -> None:
    sent: list[tuple[int, str]] = []

    def job(port: RecordingPort, rows: list[int], stop_at: int | None = None) -> None:
        ctx = JobContext(port)
        for row in ctx.track(rows, key=lambda row: row):
            for part in ctx.track("ab", key=str):
                ctx.step("send", sent.append, (row, part))
                if row == stop_at:
                    port.flags.pause = True
                    ctx.raise_if_interrupted()

    port = RecordingPort()
    with pytest.raises(Interrupted):
        job(port, [10, 0], stop_at=10)
    job(end(port), [0, 10])  # the other row comes first now
    assert sent == [(10, "a"), (0, "a"), (0, "b"), (10, "b")]


def test_finished_loops_with_keys_may_change_their_size() -> None:
    def job(ctx: JobContext, sizes: list[int]) -> list[int]:
        return [n for size in sizes for n in ctx.track(range(size), key=lambda n: n)]

    port = RecordingPort()
    assert job(JobContext(port), [2, 3]) == [0, 1, 0, 1, 2]
    assert job(JobContext(end(port)), [1, 0]) == []


def test_loops_of_several_threads_are_not_nested_in_each_other() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    both = threading.Barrier(2)

    def part(n: int) -> None:
        for item in ctx.track(range(3), name=f"part {n}"):
            if item == 0:
                both.wait(20)

    for _ in range(2):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(part, range(2)))
    end(port)
    assert set(port.saved["positions"]) == {"part 0", "part 1"}


def test_a_step_of_a_thread_is_not_that_of_a_loop_of_another_thread() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    inside, done = threading.Event(), threading.Event()

    def loop() -> None:
        for _ in ctx.track(range(1), name="rows"):
            inside.set()
            done.wait(20)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        walked = pool.submit(loop)
        inside.wait(20)
        pool.submit(ctx.step, "beside", int).result()
        done.set()
        walked.result()
    end(port)
    assert port.saved["steps"] == {"beside": 0}


def test_a_task_that_outlives_its_loop_still_belongs_to_the_item() -> None:
    port = RecordingPort()

    async def job() -> None:
        ctx, left = JobContext(port), asyncio.Event()

        async def fails() -> None:
            raise ValueError

        async def goes_on() -> None:
            await left.wait()
            await ctx.step_async("send", int)

        async def loop() -> None:
            async for _ in ctx.track(range(2)):
                tasks.append(asyncio.create_task(goes_on()))
                await fails()

        tasks: list[asyncio.Task[None]] = []
        with pytest.raises(ValueError):
            await loop()
        left.set()
        await asyncio.gather(*tasks)

    asyncio.run(job())
    end(port)
    assert port.saved["positions"][""]["inner"] == {"steps": {"send": 0}}
    assert "steps" not in port.saved


def test_a_loop_between_two_items_is_working_and_one_that_waits_for_its_source_is_not() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    asked, give = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        yield 0
        asked.set()
        give.wait(20)

    thread = threading.Thread(target=lambda: list(ctx.track(source(), name="rows")))
    thread.start()
    assert asked.wait(20)
    assert port.memory is not None
    assert port.memory.working == 1  # seen for the first time: it may be anywhere
    while port.memory.working:  # until it was seen in the same place for a while
        threading.Event().wait(0.01)
    give.set()
    thread.join(20)


def test_a_cursor_of_loops_page_by_page_is_refused() -> None:
    ctx = JobContext(RecordingPort())
    for _ in ctx.track([1, 2], after=lambda n: n, name="rows"):
        pass
    with pytest.raises(InvalidInput, match="all pages in one loop"):
        ctx.cursor("rows")


def test_what_comes_behind_a_loop_that_was_left_is_outside_of_it() -> None:
    port = RecordingPort()

    async def job() -> None:
        ctx = JobContext(port)
        async for _ in ctx.track([1], name="left"):
            inner = aiter(ctx.track([]))
            with contextlib.suppress(StopAsyncIteration):
                await asyncio.wait_for(anext(inner), 5)
            break
        await asyncio.gather(ctx.step_async("in a task", int))
        async for _ in ctx.track(range(3), name="behind"):
            pass

    asyncio.run(job())
    end(port)
    assert set(port.saved["positions"]) == {"left", "behind"}
    assert port.saved["steps"] == {"in a task": 0}


def test_a_loop_within_that_of_a_thread_says_nothing_of_other_threads() -> None:
    port = RecordingPort()
    ctx = JobContext(port)
    inside, done = threading.Event(), threading.Event()

    def loops() -> None:
        for _ in ctx.track(range(1), name="outer"):
            for _ in ctx.track(range(1), name="inner"):
                inside.set()
                done.wait(20)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        walked = pool.submit(loops)
        inside.wait(20)
        pool.submit(ctx.step, "beside", int).result()
        done.set()
        walked.result()
    end(port)
    assert port.saved["steps"] == {"beside": 0}
