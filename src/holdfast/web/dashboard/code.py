"""This exists so that what was clicked can be taken into a program: the same job as Python, curl and command line."""

from __future__ import annotations

import json
import keyword
import shlex
from collections.abc import Mapping
from typing import Any, cast


def as_code(type_: str, args: Any, options: Mapping[str, Any], base: str) -> list[tuple[str, str]]:
    """Pairs of language and text. `options` as in `JobType.options`; `base` = address of the server with its prefix."""
    body = {"type": type_, "args": args, **options}
    return [
        ("Python", _python(type_, args, options)),
        ("curl", _curl(body, base)),
        ("Command line", _command(type_, args, options)),
        ("JSON", json.dumps(body, ensure_ascii=False, indent=2, default=str)),
    ]


def _python(type_: str, args: Any, options: Mapping[str, Any]) -> str:
    given = cast(dict[str, Any], args) if isinstance(args, dict) else {}
    named = isinstance(args, dict) and all(_is_name(key) for key in given)
    settings = ", ".join(f"{key}={value!r}" for key, value in options.items())
    if not (named and _is_name(type_)):
        extra = (
            f", options={{{', '.join(f'{key!r}: {value!r}' for key, value in options.items())}}}"
            if options
            else ""
        )
        return f"app.enqueue({type_!r}, {args!r}{extra})"
    call = f"{type_}.options({settings})" if options else type_
    if not args:
        return f"{call}.enqueue()"
    lines = "".join(f"    {key}={value!r},\n" for key, value in given.items())
    return f"{call}.enqueue(\n{lines})"


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)


def _curl(body: Mapping[str, Any], base: str) -> str:
    data = shlex.quote(json.dumps(body, ensure_ascii=False, default=str))
    return f"curl -X POST {shlex.quote(base + '/api/v1/jobs')} \\\n  -H 'Content-Type: application/json' \\\n  -d {data}"


def _command(type_: str, args: Any, options: Mapping[str, Any]) -> str:
    parts = ["holdfast", "job", "run", shlex.quote(type_)]
    if args:
        parts += ["--json-args", shlex.quote(json.dumps(args, ensure_ascii=False, default=str))]
    for key, value in options.items():
        for one in cast(list[Any], value) if isinstance(value, list) else [value]:
            parts += [f"--{'tag' if key == 'tags' else key.replace('_', '-')}", shlex.quote(str(one))]
    return " ".join(parts)
