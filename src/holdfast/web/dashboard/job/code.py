"""A job as code: a Python program, a request and a command that enqueue it as shown."""

from __future__ import annotations

import json
import keyword
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from holdfast.client.registry import Registry

Options = Mapping[str, Any]
"""As in `JobType.options`; values as JSON has them, or moments."""

_COMMAND_OPTIONS = {"tags": "tag", "delay": "in", "run_at": "at", "keep": "keep"}


@dataclass(frozen=True, slots=True)
class Importable:
    """Where a program imports the function of a job type from."""

    module: str
    name: str


def importable(registry: Registry, type_: str) -> Importable | None:
    """Where the function of this type is imported from; None when this process does not know it."""
    function = next((one.source for one in registry if one.name == type_), None)
    if function is None or function.__module__ == "__main__":
        return None
    found = getattr(sys.modules.get(function.__module__), function.__name__, None)
    if getattr(found, "name", None) != type_ or not hasattr(found, "enqueue"):
        return None
    return Importable(function.__module__, function.__name__)


def as_code(
    type_: str, args: Any, options: Options, base: str, source: Importable | None = None
) -> list[tuple[str, str]]:
    """Pairs of language and text. `base` = address of the server with its prefix."""
    chosen = {key: _plain(value) for key, value in options.items()}
    body = {"type": type_, "args": args, **chosen}
    return [
        ("Python", _python(type_, args, options, source)),
        ("curl", _curl(body, base)),
        ("Command line", _command(type_, chosen, json.dumps(args, ensure_ascii=False) if args else "")),
        ("JSON", json.dumps(body, ensure_ascii=False, indent=2)),
    ]


def as_command(type_: str, options: Options, file: str) -> list[tuple[str, str]]:
    """The command alone, with arguments from a file because they are too large to be shown."""
    chosen = {key: _plain(value) for key, value in options.items()}
    return [("Command line", _command(type_, chosen, f"@{file}"))]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _python(type_: str, args: Any, options: Options, source: Importable | None) -> str:
    given = cast(dict[str, Any], args) if isinstance(args, dict) else {}
    settings = ", ".join(f"{key}={_value(value)}" for key, value in options.items())
    dated = any(isinstance(value, datetime) for value in options.values())
    begin = "from datetime import datetime\n\n" if dated else ""
    if source is not None and all(_is_name(key) and key != "tx" for key in given):
        call = f"{source.name}.options({settings})" if options else source.name
        lines = "".join(f"    {key}={value!r},\n" for key, value in given.items())
        arguments = f"\n{lines}" if given else ""
        return f"{begin}from {source.module} import {source.name}\n\n{call}.enqueue({arguments})"
    # without the code of the job: the settings name the store, as everywhere
    parts = [repr(type_), repr(given), *([settings] if settings else [])]
    return f"{begin}from holdfast import Holdfast\n\napp = Holdfast()\napp.enqueue({', '.join(parts)})"


def _value(value: Any) -> str:
    return f"datetime.fromisoformat({value.isoformat()!r})" if isinstance(value, datetime) else repr(value)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _curl(body: Mapping[str, Any], base: str) -> str:
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl -X POST {shlex.quote(base + '/api/v1/jobs')} \\\n  -H 'Content-Type: application/json' \\\n  -d {data}"


def _command(type_: str, options: Options, args: str) -> str:
    parts = ["holdfast", "job", "run"]
    if args:
        parts += ["--json-args", shlex.quote(args)]
    for key, value in options.items():
        option = _COMMAND_OPTIONS.get(key, key.replace("_", "-"))
        for one in cast(list[Any], value) if isinstance(value, list) else [value]:
            parts.append(shlex.quote(f"--{option}={one}"))
    if type_.startswith("-"):
        parts.append("--")
    return " ".join([*parts, shlex.quote(type_)])
