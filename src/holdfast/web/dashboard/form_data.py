"""Turns the texts of a form into arguments, by the schema that drew it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from holdfast.core.errors import Problem
from holdfast.web.dashboard.schema_form import (
    DEEPEST,
    MISSING,
    Kind,
    Path,
    Picked,
    Schema,
    Typed,
    choices,
    dumps,
    kind_of,
    name_of,
    resolve,
    variants,
)

Form = Mapping[str, str]


@dataclass(slots=True)
class Read:
    """What a form says. `shown` = for drawing the form again (with texts that could not be read); `args` = for the job."""

    args: dict[str, Any] = field(default_factory=dict[str, Any])
    shown: dict[str, Any] = field(default_factory=dict[str, Any])
    problems: list[Problem] = field(default_factory=list[Problem])


def read(schema: Schema, form: Form, *, add: str = "", remove: str = "") -> Read:
    """The arguments in `form`. `add` and `remove` name a list that gets one more row, or a row that goes away."""
    out = Read()
    reader = _Reader(schema, form, add, remove, out.problems)
    value = reader.node(schema, (), 0, True)
    shown = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    out.shown = shown
    out.args = cast(dict[str, Any], _plain(shown))
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, Picked):
        return _plain(value.value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in cast(dict[str, Any], value).items() if v is not MISSING}
    if isinstance(value, list):
        return [_plain(v) for v in cast(list[Any], value) if v is not MISSING]
    return str(value) if isinstance(value, Typed) else value


@dataclass(slots=True)
class _Reader:
    root: Schema
    form: Form
    add: str
    remove: str
    problems: list[Problem]

    def node(self, schema: Schema, path: Path, depth: int, required: bool) -> Any:
        schema = resolve(schema, self.root)
        default = schema.get("default", MISSING)
        if choices(schema) is None:
            ways, nullable = variants(schema, self.root)
            if len(ways) > 1 and depth < DEEPEST:
                return self.union(ways, path, depth, required)
            schema = resolve(ways[0], self.root) if len(ways) == 1 else schema
        else:
            nullable = None in (choices(schema) or ())
        kind = kind_of(schema, depth)
        match kind:
            case "object":
                needed = set(schema.get("required", ()))
                found = {
                    key: self.node(one, (*path, key), depth + 1, key in needed)
                    for key, one in schema["properties"].items()
                }
                return {key: value for key, value in found.items() if value is not MISSING}
            case "array":
                return self.array(schema, path, depth)
            case "const":
                return schema["const"]
            case _:
                return self.leaf(schema, kind, path, required, nullable, default)

    def union(self, ways: list[Schema], path: Path, depth: int, required: bool) -> Any:
        text = self.form.get(f"{name_of(path)}/?", "0")
        chosen = int(text) if text.isascii() and text.isdigit() and int(text) < len(ways) else 0
        value = self.node(ways[chosen], path, depth + 1, required)
        return MISSING if value is MISSING else Picked(chosen, value)

    def array(self, schema: Schema, path: Path, depth: int) -> Any:
        name = name_of(path)
        text = self.form.get(f"{name}/#", "0")
        count = min(int(text), 200) if text.isascii() and text.isdigit() else 0
        if f"{name}/#" not in self.form:
            return MISSING
        rows = [
            self.node(schema["items"], (*path, at), depth + 1, True)
            for at in range(count)
            if self.remove != name_of((*path, at))
        ]
        if self.add == name:
            rows.append(MISSING)
        return rows

    def leaf(
        self, schema: Schema, kind: Kind, path: Path, required: bool, nullable: bool, default: Any
    ) -> Any:
        name = name_of(path)
        if kind == "check" and not nullable:
            # an unticked box is not sent at all; the marker beside it tells that the field was on the page
            if f"{name}/!" not in self.form:
                return MISSING
            ticked = name in self.form
            return ticked if required or ticked or default is not MISSING else MISSING
        text = self.form.get(name)
        if text is None:
            return MISSING
        if not nullable and kind in ("text", "long") and (required or default not in (MISSING, None)):
            return text
        if text == "" or (kind != "long" and not text.strip()):
            return None if nullable and (required or default not in (MISSING, None)) else MISSING
        return self.typed(kind, text, path, schema)

    def typed(self, kind: Kind, text: str, path: Path, schema: Schema) -> Any:
        if schema.get("type") == "boolean":
            return text == "true"
        match kind:
            case "integer" | "number":
                return _number(text.strip(), whole=kind == "integer")
            case "radio" | "select":
                return next((one for one in choices(schema) or () if dumps(one) == text), Typed(text))
            case "json":
                try:
                    return json.loads(text, parse_constant=_no_constant)
                except (ValueError, RecursionError) as error:
                    self.problems.append(Problem(path, f"is not JSON: {error}"))
                    return Typed(text)
            case _:
                return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _number(text: str, *, whole: bool) -> Any:
    plain = text.replace(",", "").replace("_", "") if whole else text
    try:
        return int(plain) if whole else _shortest(text)
    except ValueError:
        return Typed(text)


def _shortest(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(text) from None
        return value
