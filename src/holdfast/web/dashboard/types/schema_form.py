"""Turns the JSON Schema of a job type into a tree of form fields."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from holdfast.core.errors import Problem

Schema = dict[str, Any]
Path = tuple[str | int, ...]

FieldType = Literal[
    "text",
    "long",
    "number",
    "integer",
    "check",
    "three",
    "radio",
    "select",
    "when",
    "day",
    "time",
    "email",
    "url",
    "secret",
    "object",
    "array",
    "union",
    "json",
    "const",
]
MISSING: Any = object()
MAX_DEPTH = 4

_FORMATS: dict[str, FieldType] = {
    "date-time": "when",
    "date": "day",
    "time": "time",
    "email": "email",
    "uri": "url",
    "password": "secret",
}


@dataclass(slots=True)
class Field:
    """One field of the form, or a group of fields. `name` is its name in the form data, `id` its id in the page.

    It decides only how a value is entered. The value is validated by the model of the job type when the job is enqueued.
    """

    path: Path
    type: FieldType
    label: str
    required: bool
    value: Any = MISSING
    hint: str = ""
    nullable: bool = False
    options: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    children: list[Field] = field(default_factory=list["Field"])
    deprecated: bool = False
    fixed: bool = False
    optional: bool = False
    errors: list[str] = field(default_factory=list[str])

    @property
    def name(self) -> str:
        return name_of(self.path)

    @property
    def id(self) -> str:
        return "f-" + "-".join(
            "".join(c if c.isalnum() or c == "_" else f".{ord(c):x}" for c in str(p)) for p in self.path
        )

    @property
    def key(self) -> str:
        return str(self.path[-1]) if self.path else "arguments"

    @property
    def text(self) -> str:
        """The value as the text of an input."""
        if self.value is MISSING or self.value is None:
            return ""
        if self.type == "json":
            return self.value if isinstance(self.value, InvalidText) else dumps(self.value)
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if self.type in ("radio", "select") and not isinstance(self.value, InvalidText):
            return dumps(self.value)
        return self.value if isinstance(self.value, str) else dumps(self.value)

    @property
    def checked(self) -> bool:
        return self.value is True or self.value == "true"


class InvalidText(str):
    """Text that is not valid for its field. Kept so that nothing typed is lost."""


def dumps(value: Any) -> str:
    """A value as readable JSON."""
    return json.dumps(
        value, ensure_ascii=False, indent=2 if isinstance(value, dict | list) and value else None
    )


def name_of(path: Path) -> str:
    """The form name of a path: `a/columns/0/from`, with `/` and `~` in keys escaped as in JSON Pointer."""
    return "/".join(["a", *(str(part).replace("~", "~0").replace("/", "~1") for part in path)])


def resolve(schema: Schema, root: Schema) -> Schema:
    """A schema with its `$ref` followed and a single `allOf` merged."""
    seen = 0
    while "$ref" in schema or len(schema.get("allOf", ())) == 1:
        seen += 1
        if seen > 20:
            return {}
        inner: Any = schema["allOf"][0] if "$ref" not in schema else None
        if inner is None:
            inner = cast(Any, root)
            for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
                inner = _step(inner, part.replace("~1", "/").replace("~0", "~"))
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        schema = {**cast(Schema, inner), **rest}
    return schema


def _step(node: Any, key: str) -> Any:
    return cast(Schema, node).get(key, {}) if isinstance(node, dict) else {}


def variants(schema: Schema, root: Schema) -> tuple[list[Schema], bool]:
    """The alternatives for a value (without null), and whether null is one of them."""
    many = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(schema.get("type"), list):
        many = [{**schema, "type": one} for one in schema["type"]]
    if not many:
        return [schema], False
    options = [resolve(cast(Schema, one), root) for one in cast(list[Any], many)]
    real = [one for one in options if one.get("type") != "null"]
    if len(real) == 1:
        outer = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "type")}
        real = [{**real[0], **outer}]
    return real, len(real) < len(options)


def choices(schema: Schema) -> list[Any] | None:
    """The values of an enum or of a union of constants, or None."""
    if "enum" in schema:
        return list(schema["enum"])
    many = schema.get("anyOf") or schema.get("oneOf")
    if many and all("const" in one for one in many):
        return [one["const"] for one in many]
    return None


def field_type(schema: Schema, depth: int) -> FieldType:
    """How a schema without null is drawn."""
    if "const" in schema:
        return "const"
    if (enum := choices(schema)) is not None:
        return "radio" if len(enum) <= 5 else "select"
    if len(schema.get("anyOf") or schema.get("oneOf") or ()) > 1:
        return "union" if depth < MAX_DEPTH else "json"
    match schema.get("type"):
        case "string":
            if schema.get("format") in _FORMATS:
                return _FORMATS[schema["format"]]
            return "long" if schema.get("maxLength", 0) > 200 else "text"
        case "integer":
            return "integer"
        case "number":
            return "number"
        case "boolean":
            return "check"
        case "object" if schema.get("properties") and depth < MAX_DEPTH:
            return "object"
        case "array" if "items" in schema and depth < MAX_DEPTH and "prefixItems" not in schema:
            return "array"
        case _:
            return "json"


def build(schema: Schema, values: Any = MISSING, problems: Sequence[Problem] = ()) -> Field:
    """The form of a whole schema, filled with `values` (else with its defaults), with each problem beside its field."""
    tree = _build(schema, schema, (), True, values, 0)
    for problem in problems:
        _blame(tree, tuple(problem.loc), problem.msg)
    return tree


def _blame(node: Field, loc: Path, message: str) -> None:
    here = node
    for part in loc:
        inner = next(
            (child for child in here.children if child.path and str(child.path[-1]) == str(part)), None
        )
        if inner is None:
            continue
        here = inner
    here.errors.append(message)


def _build(schema: Schema, root: Schema, path: Path, required: bool, value: Any, depth: int) -> Field:
    schema = resolve(schema, root)
    title, doc = schema.get("title"), str(schema.get("description", ""))
    default = schema.get("default", MISSING)
    if value is MISSING:
        value = default
    if choices(schema) is None:
        options, nullable = variants(schema, root)
        schema = resolve(options[0], root) if len(options) == 1 else {**schema, "anyOf": options}
    else:
        nullable = None in (choices(schema) or ())
    type_ = field_type(schema, depth)
    if type_ == "check" and nullable:
        type_ = "three"
    examples = schema.get("examples") or ()
    hint = doc + (f"{', for' if doc else 'For'} example {_plain(examples[0])}" if examples else "")
    node = Field(
        path,
        type_,
        str(title or (path[-1] if path else "")),
        required,
        value,
        hint,
        nullable,
        deprecated=bool(schema.get("deprecated")),
        fixed=bool(schema.get("readOnly")),
        optional=nullable or (not required and default is MISSING),
    )
    _fill(node, schema, root, depth)
    return node


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fill(node: Field, schema: Schema, root: Schema, depth: int) -> None:
    given: Any = node.value
    if node.type in ("radio", "select"):
        node.options = [(dumps(one), _plain(one)) for one in choices(schema) or () if one is not None]
    elif node.type == "const":
        node.value = schema["const"]
    elif node.type == "object":
        inner = cast(dict[str, Any], given) if isinstance(given, dict) else {}
        needed = set(schema.get("required", ()))
        for key, one in schema["properties"].items():
            node.children.append(
                _build(one, root, (*node.path, key), key in needed, inner.get(key, MISSING), depth + 1)
            )
    elif node.type == "array":
        items = cast(list[Any], given) if isinstance(given, list) else []
        for at, item in enumerate(items[:200]):
            child = _build(schema["items"], root, (*node.path, at), True, item, depth + 1)
            if child.label == str(at):
                child.label = f"{node.label} {at + 1}"
            node.children.append(child)
    elif node.type == "union":
        options = [resolve(one, root) for one in schema["anyOf"]]
        node.options = [(str(at), variant_name(one)) for at, one in enumerate(options)]
        chosen = given.index if isinstance(given, ChosenVariant) else matching_variant(options, given)
        inner = given.value if isinstance(given, ChosenVariant) else given
        node.value = chosen
        child = _build(options[chosen], root, node.path, True, inner, depth + 1)
        child.label = ""
        node.children.append(child)


@dataclass(frozen=True, slots=True)
class ChosenVariant:
    """A value of a union with the index of the alternative that was chosen for it."""

    index: int
    value: Any


def variant_name(variant: Schema) -> str:
    """The name of one alternative of a union in its select."""
    type_ = variant.get("type", "JSON")
    return str(variant.get("title") or {"string": "text", "integer": "whole number"}.get(type_, type_))


def matching_variant(options: Sequence[Schema], value: Any) -> int:
    """The first alternative whose JSON type is that of the value, else the first."""
    names = {
        "str": "string",
        "bool": "boolean",
        "int": "integer",
        "float": "number",
        "list": "array",
        "dict": "object",
    }
    wanted = names.get(type(value).__name__, "")
    for at, option in enumerate(options):
        if option.get("type") == wanted or (wanted == "integer" and option.get("type") == "number"):
            return at
    return 0
