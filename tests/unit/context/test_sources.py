"""The three ways in which a loop continues in its source, and what is refused instead of being passed over."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.context import JobContext
from holdfast.context.sources import MAX_KEYS
from holdfast.core.errors import CheckpointMismatch, InvalidInput, TooLarge
from holdfast.core.outcome import Interrupted
from tests.unit.context.recording import RecordingPort

Items = Iterable[Any]


def walk(
    source: Any, saved: str | None = None, *, stop_after: int | None = None, **how: Any
) -> tuple[list[Any], str]:
    """The items of one attempt that is paused behind item `stop_after`, and what it has saved."""
    port = RecordingPort(saved)
    seen: list[Any] = []
    try:
        for item in JobContext(port).track(source, **how):
            seen.append(item)
            port.flags.pause = len(seen) == stop_after
    except Interrupted:
        pass
    assert port.memory is not None
    assert port.memory.end() is None
    return seen, port.stored or "{}"


def walk_async(source: Any, saved: str | None = None, **how: Any) -> list[Any]:
    async def job() -> list[Any]:
        return [item async for item in JobContext(RecordingPort(saved)).track(source, **how)]

    return asyncio.run(job())


# -- the same items in the same order -------------------------------------------------------------------------------------


def test_a_place_behind_the_end_of_the_source_is_refused() -> None:
    _, saved = walk(iter(range(30)), stop_after=18)
    for shorter in (iter(range(5)), iter(range(17))):
        with pytest.raises(CheckpointMismatch, match="18 items were done"):
            walk(shorter, saved)
    with pytest.raises(CheckpointMismatch):
        walk_async(iter(range(5)), saved)
    assert walk(iter(range(18)), saved)[0] == []  # just at the end


def test_another_length_is_refused() -> None:
    _, saved = walk(list(range(30)), stop_after=4)
    with pytest.raises(CheckpointMismatch, match="30 items, and the source has 9"):
        walk(list(range(9)), saved)
    _, saved = walk(iter(range(30)), stop_after=4, total=30)
    with pytest.raises(CheckpointMismatch, match="30"):
        walk(iter(range(30)), saved, total=31)


@pytest.mark.parametrize("make", [list, iter, lambda items: (i for i in items)])
def test_another_item_at_the_place_is_refused(make: Callable[[Items], Any]) -> None:
    names = [f"customer {n}" for n in range(30)]
    _, saved = walk(make(names), stop_after=18)
    with pytest.raises(
        CheckpointMismatch, match="item 18 was 'customer 17' when it was done, and is 'file 17' now"
    ):
        walk(make([f"file {n}" for n in range(30)]), saved)
    with pytest.raises(CheckpointMismatch):
        walk_async(make([*names[1:], "new"]), saved)
    assert walk(make(names), saved)[0] == names[18:]


def test_items_that_may_look_different_later_are_not_compared() -> None:
    rows = [{"id": n, "done": False} for n in range(6)]
    _, saved = walk(rows, stop_after=3)
    assert walk([row | {"done": True} for row in rows], saved)[0] == [
        row | {"done": True} for row in rows[3:]
    ]


def test_a_finished_loop_of_another_length_is_refused() -> None:
    _, saved = walk(list(range(9)))
    with pytest.raises(CheckpointMismatch):
        walk(list(range(30)), saved)


def test_a_list_that_grows_is_walked_to_its_end_or_refused() -> None:
    def crawl(seeds: int, saved: str | None, stop_after: int | None) -> tuple[list[int], str]:
        port, todo, seen = RecordingPort(saved), list(range(seeds)), list[int]()
        try:
            for item in JobContext(port).track(todo):
                seen.append(item)
                if len(seen) > 2 and len(todo) < 8:
                    todo.append(len(todo))
                port.flags.pause = len(seen) == stop_after
        except Interrupted:
            pass
        return seen, port.stored or ""

    assert crawl(4, None, None)[0] == list(range(8))
    _, saved = crawl(4, None, 1)
    assert crawl(4, saved, None)[0] == list(range(1, 8))
    _, saved = crawl(4, None, 3)  # what item 2 has appended is not in the new list
    with pytest.raises(CheckpointMismatch, match="5 items, and the source has 4 now"):
        crawl(4, saved, None)


def test_whatever_python_iterates_is_walked() -> None:
    class Items:
        def __getitem__(self, n: int) -> int:
            if n > 4:
                raise IndexError(n)
            return n

    class Stream:
        def __iter__(self) -> Iterator[int]:
            return iter(range(5))

        def __len__(self) -> int:
            raise TypeError("a stream has no length")

    for source in (Items, Stream):
        _, saved = walk(source(), stop_after=2)
        assert walk(source(), saved)[0] == [2, 3, 4]
        assert walk_async(source(), saved) == [2, 3, 4]


# -- sources without an order ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"a", "b"},
        lambda: frozenset("ab"),
        lambda: iter({"a", "b"}),
        lambda: enumerate({"a", "b"}),
        lambda: map(str, {1, 2}),
        lambda: zip("ab", {1, 2}, strict=True),
        lambda: Path().iterdir(),
        lambda: Path().glob("*"),
    ],
)
def test_a_source_without_a_lasting_order_needs_a_key(make: Callable[[], Any]) -> None:
    ctx = JobContext(RecordingPort())
    with pytest.raises(InvalidInput, match="sorted"):
        ctx.track(make())
    with pytest.raises(InvalidInput, match="sorted"):
        ctx.track(make(), after=str)
    assert sorted(map(str, ctx.track(make(), key=str))) == sorted(map(str, make()))


@pytest.mark.parametrize(
    "source",
    [{"a": 1}, {"a": 1}.keys(), {"a": 1}.items(), "ab", enumerate("ab"), zip("ab", "cd", strict=True)],
)
def test_what_has_an_order_is_taken(source: Any) -> None:
    list(JobContext(RecordingPort()).track(source))


def test_a_generator_of_the_job_may_be_named_like_one_that_lists_a_folder() -> None:
    def glob() -> Iterator[int]:
        yield from range(3)

    assert list(JobContext(RecordingPort()).track(glob())) == [0, 1, 2]


class Loader(list[int]):
    """A source whose items cost something to load."""

    loaded = 0

    def __getitem__(self, index: Any) -> Any:
        self.loaded += 1
        return super().__getitem__(index)


def test_a_finished_loop_loads_no_item_again() -> None:
    source = Loader(range(3))
    walk(source)
    assert source.loaded == 0


# -- ascending keys -------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(), unique=True, max_size=12), st.integers(1, 12), st.data())
def test_ascending_rows_may_vanish_once_they_are_done(ids: list[int], stop: int, data: st.DataObject) -> None:
    ids.sort()
    first, saved = walk(ids, stop_after=stop, after=lambda n: n)
    gone = data.draw(st.sets(st.sampled_from(first))) if first else set[int]()
    rest, _ = walk([n for n in ids if n not in gone], saved, after=lambda n: n)
    assert first + rest == ids


def test_the_cursor_is_for_a_query() -> None:
    def attempt(saved: str | None, stop_after: int | None) -> tuple[Any, list[int], RecordingPort]:
        port = RecordingPort(saved)
        ctx = JobContext(port)
        cursor, seen = ctx.cursor("rows"), list[int]()
        rows = [n for n in range(10) if cursor is None or n > cursor]
        try:
            for n in ctx.track(rows, after=lambda n: n, name="rows"):
                seen.append(n)
                port.flags.pause = len(seen) == stop_after
        except Interrupted:
            pass
        return cursor, seen, port

    cursor, seen, port = attempt(None, 4)
    assert (cursor, seen, port.last_progress["total"]) == (None, [0, 1, 2, 3], 10)
    cursor, seen, port = attempt(port.stored, None)
    assert (cursor, seen, port.last_progress["total"]) == (3, [4, 5, 6, 7, 8, 9], 10)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([1, 2, 2], "not unique"),
        ([1, 3, 2], "comes after 3"),
        ([1, None], "NoneType"),
        ([True], "bool"),
        ([1, "a"], "cannot be compared"),
        ([object()], "object"),
        ([float("nan")], "NaN"),
    ],
)
def test_keys_without_an_order_are_refused_before_the_item_is_run(keys: list[Any], words: str) -> None:
    seen: list[Any] = []
    with pytest.raises(InvalidInput, match=words):
        seen.extend(JobContext(RecordingPort()).track(keys, after=lambda key: key))
    assert len(seen) < len(keys)


# -- any order ------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.text('aä\U0001f600"\\', max_size=3), unique=True, max_size=12),
    st.integers(1, 12),
    st.randoms(),
    st.data(),
)
def test_with_a_key_any_order_and_any_rest_is_right(
    names: list[str], stop: int, chance: random.Random, data: st.DataObject
) -> None:
    first, saved = walk(names, stop_after=stop, key=lambda name: (name, 1))
    gone = data.draw(st.sets(st.sampled_from(first))) if first else set[str]()
    left = [name for name in names if name not in gone]
    chance.shuffle(left)
    rest, _ = walk(left, saved, key=lambda name: (name, 1))
    assert sorted(first + rest) == sorted(names)


def test_two_items_with_one_key_are_refused() -> None:
    rows = [{"id": None, "n": 1}, {"id": None, "n": 2}]
    seen: list[Any] = []
    with pytest.raises(InvalidInput, match="two items have the key null"):
        seen.extend(JobContext(RecordingPort()).track(rows, key=lambda row: row["id"]))
    assert seen == rows[:1]
    _, saved = walk(rows[:1], stop_after=1, key=lambda row: row["id"])
    with pytest.raises(InvalidInput, match="two items"):
        walk(rows, saved, key=lambda row: row["id"])


def test_a_first_key_that_is_no_json_is_refused_before_the_item_is_run() -> None:
    seen: list[Any] = []
    with pytest.raises(InvalidInput, match="object is not JSON"):
        seen.extend(JobContext(RecordingPort()).track("ab", key=lambda _: object()))
    assert seen == []


def test_more_keys_than_may_be_kept_are_refused_before_the_item_is_run() -> None:
    seen: list[int] = []
    with pytest.raises(TooLarge, match="after="):
        seen.extend(JobContext(RecordingPort()).track(range(10_000), key=lambda n: f"{n:0200}"))
    assert len(seen) == MAX_KEYS // 203


def test_a_place_of_another_way_is_refused() -> None:
    ways: list[dict[str, Any]] = [{}, {"after": str}, {"key": str}]
    for then in ways:
        _, saved = walk("abcdef", stop_after=3, **then)
        for now in ways:
            if now is not then:
                with pytest.raises(CheckpointMismatch):
                    walk("abcdef", saved, **now)


def test_a_key_that_an_earlier_version_kept_is_understood() -> None:
    saved = '{"positions":{"":{"done":3,"key":"c"}}}'
    seen, later = walk("abcdef", saved, stop_after=1, key=str)
    assert seen == ["d"]
    assert walk("fedcba", later, key=str)[0] == ["f", "e"]
    with pytest.raises(CheckpointMismatch, match='"c"'):
        walk("abde", saved, key=str)


# -- at the call ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        {"total": "unknown"},
        {"total": float("nan")},
        {"total": -1},
        {"total": True},
        {"name": 3},
        {"name": ""},
        {"every": 0},
        {"every": 1.5},
        {"after": "id"},
        {"key": "id"},
        {"after": str, "key": str},
    ],
)
def test_what_cannot_be_is_refused_at_the_call(how: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        JobContext(RecordingPort()).track(range(3), **how)


def test_a_total_may_be_any_kind_of_number() -> None:
    class Count:
        def __float__(self) -> float:
            return 3.0

    port = RecordingPort()
    list(JobContext(port).track(iter("abc"), total=Count()))  # type: ignore[arg-type]
    assert json.loads(json.dumps(port.last_progress["total"])) == 3.0


def test_keyed_walks_of_asynchronous_sources() -> None:
    async def numbers() -> AsyncIterator[int]:
        for n in (3, 1, 2):
            yield n

    _, saved = walk([1, 2, 3], stop_after=1, key=lambda n: n)
    assert walk_async(numbers(), saved, key=lambda n: n) == [3, 2]


def test_finished_loops_whose_places_others_have_taken_are_refused() -> None:
    def job(ctx: JobContext, *loops: list[str]) -> None:
        for names in loops:
            for _ in ctx.track(names):
                pass

    three = [[f"{kind} {n}" for n in range(3)] for kind in ("files", "rows", "mails")]
    for finished in (1, 2, 3):
        port = RecordingPort()
        job(JobContext(port), *three[:finished])
        assert port.memory is not None
        port.memory.end()
        later = RecordingPort(port.stored)
        job(JobContext(later), *three)
        with pytest.raises(CheckpointMismatch):
            job(JobContext(RecordingPort(port.stored)), *three[1:], three[0])
