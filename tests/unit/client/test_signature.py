"""What cannot be a job is refused where it is declared, with its name and place; a context may be missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Optional

import pytest
from pydantic import BaseModel, Field

from holdfast import Holdfast, JobContext
from holdfast.testing.harness import Harness


class Plain:
    pass


class Holder(BaseModel):
    call: Callable[[], int] | None = None


def callable_argument(call: Callable[[], int] | None = None) -> None: ...
def callable_in_a_model(m: Holder) -> None: ...
def callable_in_a_list(n: int, calls: list[Callable[[], int]]) -> None: ...
def plain_class(p: Plain) -> None: ...
def bad_constraint(n: Annotated[int, Field(gt="x")]) -> None: ...  # type: ignore[arg-type]
def two_contexts(ctx: JobContext, again: JobContext | None = None) -> None: ...
def context_or_number(ctx: JobContext | int) -> None: ...
def generator(n: int) -> Iterator[int]:
    yield n


async def async_generator(n: int) -> AsyncIterator[int]:
    yield n


def unreadable(n: "int[") -> None: ...  # type: ignore[valid-type]  # noqa: F722
def attribute(n: "Decimal.nothing") -> None: ...  # type: ignore[name-defined]  # noqa: UP037


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (callable_argument, "the parameter call cannot be an argument"),
        (callable_in_a_model, "the parameter m cannot be an argument"),
        (callable_in_a_list, "the parameter calls cannot be an argument"),
        (plain_class, "the parameter p cannot be an argument"),
        (bad_constraint, "the parameter n cannot be an argument"),
        (two_contexts, "both ctx and again are the JobContext"),
        (context_or_number, "the parameter ctx may be a JobContext or something else"),
        (generator, "a function that yields"),
        (async_generator, "a function that yields"),
        (unreadable, "its signature cannot be read"),
        (attribute, "its signature cannot be read"),
    ],
)
def test_what_cannot_be_a_job_is_refused_with_its_name_and_place(
    function: Callable[..., Any], expected: str
) -> None:
    app = Holdfast()
    with pytest.raises(TypeError) as caught:
        app.job(name="the-job")(function)
    message = str(caught.value)
    assert message.startswith("job 'the-job': ")
    assert expected in message
    assert message.endswith(f"({__file__}, line {function.__code__.co_firstlineno})")
    assert "errors.pydantic.dev" not in message
    assert list(app.registry) == []


def test_an_executor_that_does_not_fit_is_refused_with_the_place_too() -> None:
    with pytest.raises(TypeError, match=r"job 'plain_class': .*test_signature.py, line \d+\)"):
        Holdfast().job(executor="loop")(plain_class)


def optional(n: int, ctx: JobContext | None = None) -> bool:
    return ctx is not None


def old_optional(n: int, ctx: Optional[JobContext] = None) -> bool:  # noqa: UP045
    return ctx is not None


def with_notes(ctx: Annotated[JobContext, "a note"], n: int) -> bool:
    return ctx is not None


async def notes_on_an_optional(n: int, ctx: Annotated[JobContext | None, "a note"] = None) -> bool:
    return ctx is not None


@pytest.mark.parametrize("function", [optional, old_optional, with_notes, notes_on_an_optional])
def test_a_context_may_be_missing_or_carry_notes(function: Callable[..., Any], tmp_path: Path) -> None:
    app = Holdfast()
    job = app.job()(function)
    with Harness(app, tmp_path) as harness:
        handle = job.enqueue(n=1)
        harness.drain()
        assert handle.refresh().result is True
    kind = next(iter(app.registry))
    assert (kind.context_parameter, kind.parameters) == ("ctx", ("n",))
    assert "ctx" not in kind.signature


class Odd:
    """A default whose representation fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_what_is_published_can_be_stored_whatever_doc_and_defaults_say() -> None:
    def odd(a: Any = None, b: str = "\x00\ud800", c: str = "x" * 9_000) -> None: ...

    odd.__doc__ = "\x00 \ud800 " + "x" * 100_000
    odd.__defaults__ = (None, "\x00\ud800", "x" * 9_000)
    row = next(iter(_declared(odd))).row(3)
    for text in (row.doc, row.signature):
        assert "\x00" not in text
        assert len(text.encode()) < 70_000


def test_a_default_without_a_representation_is_refused_with_its_parameter() -> None:
    def odd(a: Any = None) -> None: ...

    odd.__defaults__ = (Odd(),)
    with pytest.raises(TypeError, match=r"job 'odd': the parameter a .*no words \(.*test_signature.py, line"):
        Holdfast().job()(odd)


def _declared(function: Callable[..., Any]) -> Any:
    app = Holdfast()
    app.job()(function)
    return app.registry
