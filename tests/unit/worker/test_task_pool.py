"""TaskPool: every item is served at once, and jobs see nothing of each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from holdfast.worker.task_pool import TaskPool

MARK: ContextVar[str] = ContextVar("MARK", default="clean")


def serve_all(items: list[int], serve: Callable[[int], Awaitable[None]]) -> None:
    """Put all items in and wait until each has been served."""

    async def main() -> None:
        left, over = len(items), asyncio.Event()

        async def counted(item: int) -> None:
            nonlocal left
            try:
                await serve(item)
            finally:
                left -= 1
                if not left:
                    over.set()

        slots = TaskPool(counted)
        for item in items:
            slots.put(item)
        await asyncio.wait_for(over.wait(), 10)

    asyncio.run(main())


def test_items_that_never_wait_share_one_task() -> None:
    tasks: set[asyncio.Task[object] | None] = set()

    async def serve(_: int) -> None:
        tasks.add(asyncio.current_task())

    serve_all(list(range(100)), serve)
    assert len(tasks) == 1


def test_items_that_wait_run_side_by_side() -> None:
    together = asyncio.Barrier(50)

    async def serve(_: int) -> None:
        await together.wait()  # no task passes before all fifty are here

    serve_all(list(range(50)), serve)


def test_a_context_variable_does_not_reach_the_next_item() -> None:
    seen: list[str] = []

    async def serve(item: int) -> None:
        seen.append(MARK.get())
        MARK.set(f"left by {item}")

    serve_all(list(range(10)), serve)
    assert seen == ["clean"] * 10


def test_a_cancellation_that_comes_too_late_does_not_reach_the_next_item() -> None:
    served: list[int] = []

    async def serve(item: int) -> None:
        served.append(item)
        if item % 2 == 0:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()  # and the item ends before it could be heard

    serve_all(list(range(10)), serve)
    assert served == list(range(10))


def test_a_long_run_of_items_lets_the_loop_breathe() -> None:
    breaths = 0

    async def breathe() -> None:
        nonlocal breaths
        while True:
            breaths += 1
            await asyncio.sleep(0)

    async def main() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()

        async def serve(item: int) -> None:
            end = loop.time() + 0.002
            while loop.time() < end:
                pass
            if item == 99:
                over.set()

        other = asyncio.create_task(breathe())
        slots = TaskPool(serve)
        for item in range(100):
            slots.put(item)
        await over.wait()
        other.cancel()

    asyncio.run(main())
    assert breaths > 20  # 200 ms of work, a breath after each 5 ms
