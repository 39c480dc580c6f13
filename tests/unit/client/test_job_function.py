"""A decorated function is still a function, and enqueues what it would have been called with."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from holdfast import Holdfast, JobContext
from holdfast.client.job_function import Job
from holdfast.core.errors import InvalidArguments, InvalidInput, StorageRefused


@pytest.fixture
def copy(app: Holdfast) -> Job[Any, int]:
    @app.job(queue="files", tags=["io"], retries=2)
    def copy_file(ctx: JobContext, source: str, target: str = "/tmp", times: int = 1) -> int:
        """Copy a file."""
        return len(source) * times

    return cast(Job[Any, int], copy_file)


def stored(app: Holdfast) -> int:
    return sum(app.client.figures.stats().states.values())


def test_it_is_still_the_function(copy: Job[Any, int]) -> None:
    assert copy(None, "abc", times=2) == 6
    assert (vars(copy)["__name__"], copy.__doc__, copy.name) == ("copy_file", "Copy a file.", "copy_file")


def test_positional_arguments_are_named_without_the_context(copy: Job[Any, int]) -> None:
    assert copy.enqueue("a", "b", times=3).view.args == {"source": "a", "target": "b", "times": 3}
    assert copy.enqueue("a").view.args == {"source": "a", "target": "/tmp", "times": 1}


def test_an_argument_given_twice(app: Holdfast, copy: Job[Any, int]) -> None:
    with pytest.raises(InvalidArguments, match="copy_file: source given twice") as caught:
        copy.enqueue("a", source="b")
    assert caught.value.problems[0].loc == ("args", "source")
    assert stored(app) == 0


def test_too_many_arguments(app: Holdfast, copy: Job[Any, int]) -> None:
    with pytest.raises(InvalidArguments, match="copy_file takes 3 arguments, 4 were given"):
        copy.enqueue("a", "b", 1, 2)
    assert stored(app) == 0


def test_options_change_what_they_name_and_nothing_else(copy: Job[Any, int]) -> None:
    plain = copy.enqueue("a").view
    assert (plain.queue, plain.tags, plain.max_attempts, plain.priority) == ("files", ["io"], 3, 0)
    view = copy.options(priority=9, owner="ann").enqueue("a").view
    assert (view.queue, view.tags, view.max_attempts) == ("files", ["io"], 3)
    assert (view.priority, view.owner) == (9, "ann")
    assert copy.options(retries=0, tags=()).enqueue("a").view.max_attempts == 1
    assert copy.options(tags=(tag for tag in "xy")).enqueue("a").view.tags == ["x", "y"]
    assert copy.enqueue("a").view.priority == 0


def test_zero_and_empty_values_are_kept(app: Holdfast) -> None:
    @app.job(priority=5, tags=["io"])
    def loud() -> None: ...

    view = loud.options(priority=0, tags=[]).enqueue().view
    assert (view.priority, view.tags) == (0, [])


def test_a_job_for_later(copy: Job[Any, int]) -> None:
    noon = datetime(2100, 1, 2, 12, tzinfo=UTC)
    view = copy.options(run_at=noon).enqueue("a").view
    assert (view.state, view.run_at) == ("scheduled", noon)
    delayed = copy.options(delay="1h").enqueue("a").view
    assert delayed.state == "scheduled"
    assert delayed.run_at is not None
    assert (delayed.run_at - delayed.created_at).total_seconds() == pytest.approx(3600, abs=1)


def test_options_are_checked_before_anything_is_stored(app: Holdfast, copy: Job[Any, int]) -> None:
    with pytest.raises(InvalidInput, match="tags must be a list"):
        copy.options(tags="urgent").enqueue("a")
    assert stored(app) == 0


def test_many_in_the_order_they_were_given(copy: Job[Any, int]) -> None:
    handles = copy.options(owner="ann").enqueue_many({"source": name} for name in "abc")
    assert [handle.view.args["source"] for handle in handles] == ["a", "b", "c"]
    assert {handle.view.owner for handle in handles} == {"ann"}
    assert copy.enqueue_many([]) == []


def test_many_or_none(app: Holdfast, copy: Job[Any, int]) -> None:
    with pytest.raises(InvalidArguments, match=r"args\.source"):
        copy.enqueue_many([{"source": "a"}, {"source": 5}, {"source": "c"}])
    with pytest.raises(InvalidArguments):
        app.enqueue_many("copy_file", [{"source": "a"}, {}])
    assert stored(app) == 0


def test_many_under_one_unique_key_are_one_job(copy: Job[Any, int]) -> None:
    first, second = copy.options(unique="one").enqueue_many([{"source": "a"}, {"source": "b"}])
    assert (first.created, second.created) == (True, False)
    assert first.id == second.id
    assert second.view.args["source"] == "a"


def test_from_an_event_loop(app: Holdfast, copy: Job[Any, int]) -> None:
    async def run() -> list[Any]:
        handles = await asyncio.gather(*(copy.enqueue_async(str(n)) for n in range(20)))
        by_name = await app.enqueue_async("copy_file", {"source": "named"}, priority=3)
        with pytest.raises(InvalidArguments):
            await copy.enqueue_async("a", source="b")
        return [handle.view.args["source"] for handle in [*handles, by_name]]

    assert asyncio.run(run()) == [*map(str, range(20)), "named"]
    assert stored(app) == 21


def test_many_from_an_event_loop(app: Holdfast, copy: Job[Any, int]) -> None:
    async def run() -> list[Any]:
        handles = await copy.options(owner="ann").enqueue_many_async({"source": name} for name in "abc")
        by_name = await app.enqueue_many_async("copy_file", [{"source": "d"}], owner="ann")
        assert await copy.enqueue_many_async([]) == []
        with pytest.raises(InvalidArguments, match=r"args\.source"):
            await copy.enqueue_many_async([{"source": "e"}, {"source": 5}])
        return [(handle.view.args["source"], handle.view.owner) for handle in [*handles, *by_name]]

    assert asyncio.run(run()) == [("a", "ann"), ("b", "ann"), ("c", "ann"), ("d", "ann")]
    assert stored(app) == 4


def test_a_transaction_needs_a_store_that_can_share_it(app: Holdfast, copy: Job[Any, int]) -> None:
    async def later() -> None:
        with pytest.raises(StorageRefused, match="Enqueue after your commit"):
            await copy.options(tx=object()).enqueue_async("a")
        with pytest.raises(StorageRefused):
            await app.enqueue_many_async("copy_file", [{"source": "a"}], tx=object())

    for call in (
        lambda: copy.options(tx=object()).enqueue("a"),
        lambda: cast(Any, copy).enqueue("a", tx=object()),
        lambda: copy.enqueue_many([{"source": "a"}], tx=object()),
        lambda: app.enqueue("copy_file", {"source": "a"}, tx=object()),
        lambda: app.enqueue_many("copy_file", [{"source": "a"}], tx=object()),
    ):
        with pytest.raises(StorageRefused, match=r"this app's store is sqlite\. Enqueue after your commit"):
            call()
    asyncio.run(later())
    assert stored(app) == 0
    assert copy.enqueue_many([], tx=object()) == []
    assert cast(Any, copy).enqueue("a", tx=None).created


def test_an_argument_that_is_called_tx(app: Holdfast) -> None:
    @app.job()
    def note(tx: str) -> None: ...

    assert note.enqueue(tx="mine").view.args == {"tx": "mine"}
    with pytest.raises(StorageRefused):
        note.options(tx=object()).enqueue(tx="mine")


def test_without_parentheses_says_what_to_write(app: Holdfast) -> None:
    with pytest.raises(TypeError, match=r"write @app\.job\(\) with parentheses"):

        @cast(Any, app.job)
        def bare() -> None: ...

    assert len(app.registry) == 0


def test_an_executor_must_fit_the_function(app: Holdfast) -> None:
    with pytest.raises(TypeError, match="executor='loop' does not fit plain"):

        @app.job(executor="loop")
        def plain() -> None: ...

    with pytest.raises(TypeError, match="executor='nowhere' does not fit"):

        @app.job(executor=cast(Any, "nowhere"))
        def lost() -> None: ...

    assert len(app.registry) == 0
