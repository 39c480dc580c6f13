"""What `@app.job(…)` says is checked like the options of one job, and any callable with names can be a job."""

from __future__ import annotations

import asyncio
import functools
import json
import warnings
from typing import Any, cast

import pytest

from holdfast import Holdfast, InvalidInput, JobContext
from holdfast.core.retention import Retention
from tests.unit.client.hand import Hand


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


async def later(ctx: JobContext, a: int) -> int:
    return a


class Greeter:
    """Greets."""

    def __init__(self) -> None:
        self._client = "not that of the app"

    def __call__(self, who: str) -> str:
        """Greet a person."""
        return f"hello {who}"


class LateGreeter:
    async def __call__(self, ctx: JobContext, who: str) -> str:
        return f"hello {who}"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("queue", "", "1 to 200"),
        ("queue", 5, "must be text"),
        ("queue", "a\nb", "control character"),
        ("priority", True, "whole number"),
        ("priority", 1001, "-1000 to 1000"),
        ("retries", -1, "0 to 1000"),
        ("retries", "3", "whole number"),
        ("timeout", 0, "more than zero"),
        ("timeout", "soon", "not a duration"),
        ("keep", "long", "not a duration"),
        ("tags", "abc", "must be a list"),
        ("tags", [""], "1 to 200"),
        ("tags", 5, "not iterable"),
        ("tags", [f"t{n}" for n in range(33)], "at most 32"),
        ("backoff", "1m", "a list of seconds"),
        ("backoff", [], "a list of seconds"),
        ("backoff", [1, "2"], "a list of seconds"),
        ("backoff", -1, "a list of seconds"),
        ("backoff", True, "a list of seconds"),
        ("backoff", [1, float("nan")], "a list of seconds"),
        ("backoff", object(), "a list of seconds"),
    ],
)
def test_a_default_that_no_job_could_have(app: Holdfast, name: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.job(**{name: value})(add)
    (problem,) = caught.value.problems
    assert problem.loc[0] == name
    assert words in problem.msg
    assert len(app.registry) == 0


def test_all_problems_of_the_defaults_are_reported_at_once(app: Holdfast) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.job(queue="", retries=-1, tags="abc", timeout=0)(add)
    assert {problem.loc[0] for problem in caught.value.problems} == {"queue", "retries", "tags", "timeout"}


def test_defaults_in_stored_form(app: Holdfast) -> None:
    app.job(tags=(tag for tag in "aba"), keep="1h", timeout="1m", backoff=(n for n in (1, 2.5)))(add)
    (kind,) = app.registry
    o = kind.options
    assert (o.tags, o.timeout, o.retention) == (("a", "b"), 60.0, Retention(3600.0, 3600.0, 3600.0))
    assert [o.backoff(attempt, 0.0) for attempt in (1, 2, 3)] == [1, 2.5, 2.5]


@pytest.mark.parametrize("function", [functools.partial(add, 1), Greeter()])
def test_what_has_no_name_is_asked_for_one(app: Holdfast, function: Any) -> None:
    with pytest.raises(TypeError, match=r"(functools\.partial|Greeter) has no name .* @app\.job\(name=…\)"):
        app.job()(function)
    assert len(app.registry) == 0


def test_what_is_no_function(app: Holdfast) -> None:
    with pytest.raises(TypeError, match="a job is made of a function, not of 5"):
        app.job(name="five")(cast(Any, 5))
    with pytest.raises(TypeError, match="name=5 must be text"):
        app.job(name=cast(Any, 5))(add)


def test_a_partial_with_a_name_is_a_job(app: Holdfast) -> None:
    job = cast(Any, app.job(name="add_one")(functools.partial(add, 1)))
    (kind,) = app.registry
    assert (kind.signature, kind.doc) == ("add_one(b: int = 2)", "Add two numbers.")
    assert job.enqueue(b=5).view.args == {"b": 5}
    assert job(b=5) == 6
    claimed = Hand(app).start()
    assert kind.function(**kind.load(claimed.args)) == 6


def test_a_callable_object_with_a_name_is_a_job(app: Holdfast) -> None:
    job = cast(Any, app.job(name="greet")(Greeter()))
    (kind,) = app.registry
    assert (kind.signature, kind.doc) == ("greet(who: str)", "Greet a person.")
    assert job("ann") == "hello ann"
    assert job.enqueue("ann").view.args == {"who": "ann"}


def test_a_callable_that_must_be_awaited_runs_in_the_loop(app: Holdfast) -> None:
    app.job(name="greet")(LateGreeter())
    app.job(name="later")(functools.partial(later, a=1))
    for kind in app.registry:
        assert (kind.is_async, kind.options.executor, kind.context_parameter) == (True, "loop", "ctx")
    assert asyncio.run(LateGreeter()(cast(Any, None), "ann")) == "hello ann"


ODD_NAMES = (
    "json",
    "schema",
    "copy",
    "model_dump",
    "model_config",
    "_hidden",
    "__x",
    "self",
    "arg_json",
    "args",
    "tx",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_argument_may_have_any_name(app: Holdfast, name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def work({name}: int, other: str = 'o') -> int: return {name}", scope)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job = cast(Any, app.job()(scope["work"]))
    (kind,) = app.registry
    assert list(kind.schema()["properties"]) == [name, "other"]
    assert json.loads(kind.dump({name: 1})) == {name: 1, "other": "o"}
    assert kind.function(**kind.load(kind.dump({name: 1}))) == 1
    assert job.enqueue(**{name: 7}).view.args == {name: 7, "other": "o"}
    with pytest.raises(InvalidInput, match=f"args.{name}: ") as caught:
        kind.dump({name: "text"})
    assert caught.value.problems[0].loc == ("args", name)
    with pytest.raises(InvalidInput, match="Extra inputs"):
        kind.dump({name: 1, f"arg_{name}": 2})


def test_a_context_that_cannot_be_passed_by_name_is_refused(app: Holdfast) -> None:
    def first(ctx: JobContext, /, a: int) -> None: ...

    with pytest.raises(TypeError, match="name each argument"):
        app.job()(cast(Any, first))
