"""What a type checker knows of the public names. Never run, only read, by `make check`: each error that is expected must be
one."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from holdfast import Holdfast, Job, JobContext, JobHandle, JobView, Settings

app = Holdfast(data_dir="data", workers=2)
configured = Holdfast(settings=Settings(workers=2, queues=("mail",)))


@app.job(queue="imports", retries=5, timeout="15m")
async def with_context(ctx: JobContext, path: str, dry_run: bool = False) -> int:
    return len(path) if dry_run else ctx.attempt


@app.job()
def without_context(a: int, b: float = 1.0) -> list[float]:
    return [a, b]


@app.job(executor="process", backoff=[1, 10], keep="forever", tags=["cpu"])
def nothing() -> None: ...


def the_context_is_no_argument() -> None:
    assert_type(with_context.enqueue("a.csv"), JobHandle)
    assert_type(with_context.enqueue(path="a.csv", dry_run=True), JobHandle)
    assert_type(nothing.enqueue(), JobHandle)
    with_context.enqueue()  # pyright: ignore[reportCallIssue]  # path is missing
    with_context.enqueue(pth="a.csv")  # pyright: ignore[reportCallIssue]  # no such argument
    with_context.enqueue(path=1)  # pyright: ignore[reportArgumentType]  # not text
    with_context.enqueue("a.csv", True, 3)  # pyright: ignore[reportCallIssue]  # one too many
    nothing.enqueue(1)  # pyright: ignore[reportCallIssue]  # takes none


def arguments_without_a_context() -> None:
    assert_type(without_context.enqueue(1, b=2.5), JobHandle)
    without_context.enqueue("1")  # pyright: ignore[reportArgumentType]  # not a number
    without_context.enqueue(1, c=2)  # pyright: ignore[reportCallIssue]  # no such argument


def options_keep_the_signature() -> None:
    chosen = with_context.options(
        delay=timedelta(minutes=5), owner="ann", tags=["eu"], unique="a", priority=3
    )
    assert_type(chosen.enqueue(path="a.csv"), JobHandle)
    with_context.options(run_at=datetime.now(UTC), keep="7d").enqueue("a.csv")
    chosen.enqueue(pth="a.csv")  # pyright: ignore[reportCallIssue]  # no such argument
    with_context.options(dely="5m")  # pyright: ignore[reportCallIssue]  # no such option
    with_context.options(retries="5")  # pyright: ignore[reportArgumentType]  # not a number
    app.job(executor="fork")  # pyright: ignore[reportArgumentType]  # no such executor


async def in_an_event_loop(ctx: JobContext) -> None:
    assert_type(await with_context.enqueue_async(path="a.csv"), JobHandle)
    assert_type(await with_context.options(queue="slow").enqueue_async("a.csv"), JobHandle)
    assert_type(await with_context.enqueue_many_async([{"path": "a.csv"}]), list[JobHandle])
    assert_type(await app.enqueue_many_async("nothing", [{}, {}], queue="slow"), list[JobHandle])
    await without_context.enqueue_async(a="1")  # pyright: ignore[reportArgumentType]  # not a number
    assert_type(await with_context(ctx, "a.csv"), int)


def a_job_is_still_a_function() -> None:
    assert_type(without_context(1, b=2.0), list[float])
    assert_type(without_context.name, str)


def jobs_can_be_handed_on(job: Job[[int], None]) -> JobHandle:
    return job.enqueue(1)


def by_name() -> None:
    assert_type(app.enqueue("with_context", {"path": "a.csv"}, queue="slow"), JobHandle)
    assert_type(app.enqueue_many("nothing", [{}, {}]), list[JobHandle])
    assert_type(with_context.enqueue_many([{"path": "a.csv"}]), list[JobHandle])


async def in_a_transaction(connection: object) -> None:
    assert_type(with_context.options(tx=connection).enqueue(path="a.csv"), JobHandle)
    assert_type(await with_context.options(tx=connection).enqueue_async("a.csv"), JobHandle)
    assert_type(with_context.enqueue_many([{"path": "a.csv"}], tx=connection), list[JobHandle])
    assert_type(await with_context.enqueue_many_async([], tx=connection), list[JobHandle])
    assert_type(app.enqueue("with_context", {"path": "a.csv"}, tx=connection, queue="slow"), JobHandle)
    assert_type(await app.enqueue_many_async("nothing", [{}], tx=connection), list[JobHandle])


def a_handle(handle: JobHandle) -> None:
    assert_type(handle.id, str)
    assert_type(handle.state, str)
    assert_type(handle.view, JobView)
    assert_type(handle.refresh().wait(1.0).pause().resume().cancel("why").retry(), JobHandle)
    handle.state = "paused"  # pyright: ignore[reportAttributeAccessIssue]  # read-only


async def numbers() -> AsyncIterator[int]:
    yield 1


def length(text: str) -> int:
    return len(text)


async def length_async(text: str) -> int:
    return len(text)


async def the_context(ctx: JobContext) -> None:
    for word in ctx.track(["a"], total=1, every=1):
        assert_type(word, str)
    async for number in ctx.track(numbers(), key=lambda number: number):
        assert_type(number, int)
    words: list[str] = []
    async for word in ctx.track(words):
        assert_type(word, str)
    assert_type(ctx.step("length", length, "abc"), int)
    assert_type(await ctx.step_async("length", length_async, "abc"), int)
    assert_type(ctx.args, dict[str, Any])
    assert_type(ctx.tags, tuple[str, ...])
    await ctx.sleep(1)
    ctx.checkpoint({"at": 1})
    ctx.progress(1, 10, message="one", name="rows")
    ctx.attempt = 2  # pyright: ignore[reportAttributeAccessIssue]  # read-only
