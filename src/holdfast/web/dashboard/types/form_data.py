"""Turns the texts of a form into arguments, by the schema that drew it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from holdfast.core.errors import Problem
from holdfast.web.dashboard.types.schema_form import (
    MAX_DEPTH,
    MISSING,
    ChosenVariant,
    FieldType,
    InvalidText,
    Path,
    Schema,
    choices,
    dumps,
    field_type,
    name_of,
    resolve,
    variants,
)

Form = Mapping[str, str]


@dataclass(slots=True)
class FormValues:
    """What a form contains. `args`: the arguments of the job. `shown`: for drawing the form again, with invalid texts."""

    args: dict[str, Any] = field(default_factory=dict[str, Any])
    shown: dict[str, Any] = field(default_factory=dict[str, Any])
    problems: list[Problem] = field(default_factory=list[Problem])


def read(schema: Schema, form: Form, *, add: str = "", remove: str = "") -> FormValues:
    """The arguments in `form`. `add` names a list that gets one more row, `remove` a row to remove."""
    out = FormValues()
    reader = _Reader(schema, form, add, remove, out.problems)
    value = reader.node(schema, (), 0, True)
    shown = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    out.shown = shown
    out.args = cast(dict[str, Any], _plain(shown))
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, ChosenVariant):
        return _plain(value.value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in cast(dict[str, Any], value).items() if v is not MISSING}
    if isinstance(value, list):
        return [_plain(v) for v in cast(list[Any], value) if v is not MISSING]
    return str(value) if isinstance(value, InvalidText) else value


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
            options, nullable = variants(schema, self.root)
            if len(options) > 1 and depth < MAX_DEPTH:
                return self.union(options, path, depth, required)
            schema = resolve(options[0], self.root) if len(options) == 1 else schema
        else:
            nullable = None in (choices(schema) or ())
        type_ = field_type(schema, depth)
        match type_:
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
                return self.leaf(schema, type_, path, required, nullable, default)

    def union(self, options: list[Schema], path: Path, depth: int, required: bool) -> Any:
        text = self.form.get(f"{name_of(path)}/?", "0")
        chosen = int(text) if text.isascii() and text.isdigit() and int(text) < len(options) else 0
        value = self.node(options[chosen], path, depth + 1, required)
        return MISSING if value is MISSING else ChosenVariant(chosen, value)

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
        self, schema: Schema, type_: FieldType, path: Path, required: bool, nullable: bool, default: Any
    ) -> Any:
        name = name_of(path)
        if type_ == "check" and not nullable:
            # an unticked box is not sent at all; the marker beside it shows that the field was on the page
            if f"{name}/!" not in self.form:
                return MISSING
            ticked = name in self.form
            return ticked if required or ticked or default is not MISSING else MISSING
        text = self.form.get(name)
        if text is None:
            return MISSING
        if not nullable and type_ in ("text", "long") and (required or default not in (MISSING, None)):
            return text
        if text == "" or (type_ != "long" and not text.strip()):
            return None if nullable and (required or default not in (MISSING, None)) else MISSING
        return self.typed(type_, text, path, schema)

    def typed(self, type_: FieldType, text: str, path: Path, schema: Schema) -> Any:
        if schema.get("type") == "boolean":
            return text == "true"
        match type_:
            case "integer" | "number":
                return _number(text.strip(), whole=type_ == "integer")
            case "radio" | "select":
                return next((one for one in choices(schema) or () if dumps(one) == text), InvalidText(text))
            case "json":
                try:
                    return json.loads(text, parse_constant=_no_constant)
                except (ValueError, RecursionError) as error:
                    self.problems.append(Problem(path, f"is not JSON: {error}"))
                    return InvalidText(text)
            case _:
                return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _number(text: str, *, whole: bool) -> Any:
    plain = text.replace(",", "").replace("_", "") if whole else text
    try:
        return int(plain) if whole else _shortest(text)
    except ValueError:
        return InvalidText(text)


def _shortest(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(text) from None
        return value
