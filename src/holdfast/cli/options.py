"""This exists so that every command takes the same options for where to ask and how to write the answer, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar

import typer

F = TypeVar("F", bound=Callable[..., int | None])

PLACE = "Where to ask"
OUTPUT = "How to answer"


@dataclass(frozen=True, slots=True)
class Common:
    """What every command may be told."""

    app: str | None = None
    url: str | None = None
    json: bool = False
    ndjson: bool = False
    ids: bool = False
    fields: str | None = None
    no_color: bool = False
    utc: bool = False
    verbose: bool = False


_APP = Annotated[
    str | None,
    typer.Option(
        "--app", metavar="MODULE:APP", envvar="HOLDFAST_APP", help="The program with the job types."
    ),
]
_URL = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", envvar="HOLDFAST_URL", help="Ask this server instead of the store."),
]
_JSON = Annotated[bool, typer.Option("--json", help="One JSON document.")]
_NDJSON = Annotated[bool, typer.Option("--ndjson", help="One JSON object a line.")]
_IDS = Annotated[bool, typer.Option("--ids", help="Ids (or names) only, one a line.")]
_FIELDS = Annotated[
    str | None,
    typer.Option("--fields", metavar="A,B", help="Only these fields, for example id,state,progress.done."),
]
_NO_COLOR = Annotated[bool, typer.Option("--no-color", help="No colour; NO_COLOR does the same.")]
_UTC = Annotated[bool, typer.Option("--utc", help="Times in UTC, not in the zone of this machine.")]
_VERBOSE = Annotated[bool, typer.Option("--verbose", help="Show the trace of an error.")]

_DECLARED: dict[str, tuple[Any, Any]] = {
    "app": (_APP, None),
    "url": (_URL, None),
    "json": (_JSON, False),
    "ndjson": (_NDJSON, False),
    "ids": (_IDS, False),
    "fields": (_FIELDS, None),
    "no_color": (_NO_COLOR, False),
    "utc": (_UTC, False),
    "verbose": (_VERBOSE, False),
}

SERVES = ("app", "verbose")
"""For commands that run something here."""

SPEAKS = ("app", "json", "no_color", "verbose")
"""For commands about this installation, with one answer."""

ASKS = ("app", "url", "json", "fields", "no_color", "utc", "verbose")
"""For commands with one answer."""

LISTS = tuple(field.name for field in fields(Common))
"""For commands with a list as answer."""


def with_common(function: Callable[..., int | None], names: tuple[str, ...]) -> Callable[..., None]:
    """The function as Typer takes it: its `Common` parameter becomes the options `names`, its answer the exit code."""
    signature = inspect.signature(function, eval_str=True)
    slot = next(name for name, parameter in signature.parameters.items() if parameter.annotation is Common)
    own = [parameter for name, parameter in signature.parameters.items() if name != slot]
    extra = [
        inspect.Parameter(
            f"common_{name}",
            inspect.Parameter.KEYWORD_ONLY,
            default=_DECLARED[name][1],
            annotation=_DECLARED[name][0],
        )
        for name in names
    ]

    def run(**values: Any) -> None:
        given = {name: values.pop(f"common_{name}") for name in names}
        code = function(**{slot: Common(**given)}, **values)
        if code:
            raise typer.Exit(int(code))

    keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    run.__dict__["__signature__"] = inspect.Signature([*keyword, *extra])
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*keyword, *extra]}
    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
    return run


def command(group: typer.Typer, name: str, names: tuple[str, ...] = ASKS) -> Callable[[F], F]:
    """Make a function a command of `group`. It takes a `Common`, and answers its exit code (None = 0)."""

    def decorate(function: F) -> F:
        group.command(name)(with_common(function, names))
        return function

    return decorate


def new_group(help: str, *, alone: bool = False) -> typer.Typer:
    """A group of commands. `alone`: it does something without a command below it, too."""
    return typer.Typer(help=help, no_args_is_help=not alone, add_completion=False, rich_markup_mode=None)
