"""The options that commands share, declared once: where to connect and how to write output."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar

import typer

F = TypeVar("F", bound=Callable[..., int | None])


@dataclass(frozen=True, slots=True)
class Common:
    """The values of the shared options."""

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
        "--app", metavar="MODULE:APP", envvar="HOLDFAST_APP", help="The app that defines the job types."
    ),
]
_URL = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", envvar="HOLDFAST_URL", help="Connect to this server instead of the store."
    ),
]
_JSON = Annotated[bool, typer.Option("--json", help="Output one JSON document.")]
_NDJSON = Annotated[bool, typer.Option("--ndjson", help="Output one JSON object per line.")]
_IDS = Annotated[bool, typer.Option("--ids", help="Output only ids (or names), one per line.")]
_FIELDS = Annotated[
    str | None,
    typer.Option(
        "--fields", metavar="A,B", help="Output only these fields, for example id,state,progress.done."
    ),
]
_NO_COLOR = Annotated[bool, typer.Option("--no-color", help="Disable colour (as NO_COLOR does).")]
_UTC = Annotated[bool, typer.Option("--utc", help="Show times in UTC instead of local time.")]
_VERBOSE = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an error.")]

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
"""For commands that run a part of Holdfast in this process."""

SPEAKS = ("app", "json", "no_color", "verbose")
"""For commands about this installation that output one value."""

ASKS = ("app", "url", "json", "fields", "no_color", "utc", "verbose")
"""For commands that output one value."""

LISTS = tuple(field.name for field in fields(Common))
"""For commands that output a list."""


def with_common(function: Callable[..., int | None], names: tuple[str, ...]) -> Callable[..., None]:
    """The function as Typer takes it: its `Common` parameter becomes the options `names`, its return
    value the exit code."""
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
    """Register a function as a command of `group`. It takes a `Common` and returns its exit code (None = 0)."""

    def decorate(function: F) -> F:
        group.command(name)(with_common(function, names))
        return function

    return decorate


def new_group(help: str, *, alone: bool = False) -> typer.Typer:
    """A group of commands. `alone`: the group also runs without a subcommand."""
    return typer.Typer(help=help, no_args_is_help=not alone, add_completion=False, rich_markup_mode=None)
