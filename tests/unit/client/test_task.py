"""A signature is the schema of the arguments: what fits comes back as it was, what does not is refused with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from holdfast import JobContext
from holdfast.client.task import JobType, TypeOptions, dump_result
from holdfast.core.errors import InvalidArguments, InvalidInput, TooLarge
from holdfast.core.retry import as_backoff
from holdfast.core.sizes import MAX_ARGS, MAX_DEPTH, MAX_RESULT

if TYPE_CHECKING:
    from decimal import Decimal

OPTIONS = TypeOptions("default", 0, None, as_backoff(None), None, "thread", None, ())


class Size(StrEnum):
    SMALL = "small"


class Address(BaseModel):
    city: str
    code: int = 0


def send(ctx: JobContext, to: str, copies: int = 1, at: datetime | None = None) -> None:
    """Send it."""


async def anything(x: Any) -> None: ...


def rich(address: Address, size: Size, key: UUID, at: datetime, raw: bytes) -> None: ...


def kind(function: Callable[..., Any], name: str = "job") -> JobType:
    return JobType(name, function, OPTIONS)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_the_context_is_no_argument() -> None:
    job = kind(send, "send")
    assert job.context_parameter == "ctx"
    assert set(job.schema()["properties"]) == {"to", "copies", "at"}
    assert job.schema()["required"] == ["to"]
    assert job.signature == "send(to: str, copies: int = 1, at: datetime.datetime | None = None)"
    assert job.doc == "Send it."
    with pytest.raises(InvalidArguments, match="ctx"):
        job.dump({"to": "a", "ctx": 1})


def test_the_context_may_be_any_parameter_of_any_name() -> None:
    def late(a: int, job: JobContext) -> None: ...

    assert kind(late).context_parameter == "job"
    assert kind(late).load(kind(late).dump({"a": 1})) == {"a": 1}
    assert kind(anything).context_parameter is None


def test_async_is_seen() -> None:
    assert kind(anything).is_async
    assert not kind(send).is_async


def test_defaults_are_filled_in_when_it_is_stored() -> None:
    assert json.loads(kind(send).dump({"to": "a"})) == {"to": "a", "copies": 1, "at": None}


def test_what_comes_back_has_its_types() -> None:
    given = {
        "address": Address(city="Köln", code=5),
        "size": Size.SMALL,
        "key": UUID(int=7),
        "at": datetime(2030, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC),
        "raw": b"bytes",
    }
    back = kind(rich).load(kind(rich).dump(given))
    assert back == given
    assert {name: type(value) for name, value in back.items()} == {n: type(v) for n, v in given.items()}


@pytest.mark.parametrize(
    "value", ["NaN", "\\u0000", "Infinity", 'a"b\\', "ü\U0001f600", 2**63, 1e308, "", {}]
)
def test_any_strict_value_comes_back_as_it_was(value: Any) -> None:
    job = kind(anything)
    assert job.load(job.dump({"x": value})) == {"x": value}


def test_every_wrong_argument_is_named_without_its_value() -> None:
    with pytest.raises(InvalidArguments) as caught:
        kind(send, "send").dump({"copies": "top-secret", "cc": "hidden"})
    assert {problem.loc for problem in caught.value.problems} == {
        ("args", "to"),
        ("args", "copies"),
        ("args", "cc"),
    }
    assert str(caught.value).startswith("send: args.to: Field required")
    assert "top-secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_the_place_of_a_problem_inside_a_model() -> None:
    with pytest.raises(InvalidArguments) as caught:
        kind(rich).dump({"address": {"city": 5}, "size": "small", "key": UUID(int=1), "at": 0, "raw": b""})
    assert [problem.loc for problem in caught.value.problems] == [("args", "address", "city")]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_know(number: float) -> None:
    with pytest.raises(InvalidInput) as caught:
        kind(anything).dump({"x": {"rows": [1.0, number]}})
    assert caught.value.problems[0].loc == ("args", "x", "rows", 1)


def test_nul_in_a_text_or_a_key() -> None:
    with pytest.raises(InvalidInput, match="NUL") as caught:
        kind(anything).dump({"x": ["fine", "a\x00b"]})
    assert caught.value.problems[0].loc == ("args", "x", 1)
    with pytest.raises(InvalidInput, match="NUL") as caught:
        kind(anything).dump({"x": {"\x00": 1}})
    assert caught.value.problems[0].loc == ("args", "x")


@pytest.mark.parametrize("function", [anything, send])
def test_half_a_character_is_no_text(function: Callable[..., Any]) -> None:
    name = "to" if function is send else "x"
    with pytest.raises(InvalidInput, match="surrogate") as caught:
        kind(function).dump({name: "\ud83d"})
    assert caught.value.problems[0].loc[0] == "args"


def test_as_deep_as_allowed_and_one_deeper() -> None:
    job = kind(anything)
    fits = nested(MAX_DEPTH)
    assert job.load(job.dump({"x": fits})) == {"x": fits}
    with pytest.raises(InvalidInput, match=f"deeper than {MAX_DEPTH}"):
        job.dump({"x": nested(MAX_DEPTH + 1)})


@pytest.mark.parametrize("depth", [300, 50_000])
def test_absurd_depth_is_refused_and_ends_nothing(depth: int) -> None:
    with pytest.raises(InvalidInput, match="depth"):
        kind(anything).dump({"x": nested(depth)})


def test_a_value_that_holds_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidArguments, match="Circular"):
        kind(anything).dump({"x": loop})


def test_the_size_limit_is_in_bytes() -> None:
    job, rest = kind(anything), len('{"x":""}')
    assert len(job.dump({"x": "a" * (MAX_ARGS - rest)})) == MAX_ARGS
    with pytest.raises(TooLarge, match="262,145 bytes"):
        job.dump({"x": "a" * (MAX_ARGS - rest + 1)})
    with pytest.raises(TooLarge):
        job.dump({"x": "ü" * (MAX_ARGS // 2)})


def test_a_value_without_a_json_form() -> None:
    with pytest.raises(InvalidArguments, match=r"job: .*object"):
        kind(anything).dump({"x": object()})


def test_arguments_that_no_longer_fit_the_code() -> None:
    with pytest.raises(InvalidArguments, match=r"args\.gone"):
        kind(send).load('{"to": "a", "gone": 1}')
    with pytest.raises(InvalidArguments):
        kind(send).load("not json")


def test_arguments_without_names_are_refused_when_it_is_declared() -> None:
    def many(*paths: str) -> None: ...
    def any_key(**more: str) -> None: ...
    def nameless(a: int, /) -> None: ...

    for function, shown in ((many, r"\*paths"), (any_key, r"\*\*more"), (nameless, "a")):
        with pytest.raises(TypeError, match=f"job 'job': {shown}.*name each argument"):
            kind(function)


def test_an_annotation_that_only_the_type_checker_sees() -> None:
    def pay(amount: Decimal) -> None: ...

    with pytest.raises(TypeError, match="'Decimal' cannot be resolved; import it at module level"):
        kind(pay)


def test_what_is_published() -> None:
    row = kind(send, "send").row(4)
    assert (row.name, row.queue, row.max_attempts, row.executor) == ("send", "default", 5, "thread")
    assert json.loads(row.schema) == kind(send, "send").schema()


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), ({"a": (1, 2)}, '{"a":[1,2]}'), (Address(city="x"), '{"city":"x","code":0}')],
)
def test_a_result_is_kept_as_json(value: object, text: str) -> None:
    assert dump_result(value) == text


def test_a_result_that_cannot_be_kept() -> None:
    with pytest.raises(InvalidArguments, match="the result cannot be kept as JSON"):
        dump_result(object())
    with pytest.raises(InvalidInput, match="result: NaN"):
        dump_result([float("nan")])
    with pytest.raises(TooLarge, match="result"):
        dump_result("a" * MAX_RESULT)


def test_the_schema_is_strict_json_whatever_the_defaults() -> None:
    def function(limit: float = float("inf"), start: float = float("nan"), n: int = 3) -> None: ...

    schema = kind(function).schema()
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema
    assert "default" not in schema["properties"]["limit"]
    assert schema["properties"]["n"]["default"] == 3


def test_a_number_of_too_many_digits_is_refused_before_it_is_stored() -> None:
    def function(n: int) -> None: ...

    for refuse in (lambda: kind(function).dump({"n": 10**4_300}), lambda: dump_result([10**4_300])):
        with pytest.raises(InvalidInput, match="too many digits"):
            refuse()
    assert kind(function).load(kind(function).dump({"n": 10**4_299}))["n"] == 10**4_299
