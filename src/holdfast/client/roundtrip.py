"""Decides whether arguments come back from their JSON text as they went in."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from holdfast.core.errors import Problem

Loc = tuple[str | int, ...]
Parts = Mapping[str | int, Any]

NO_SECRETS: Final = (
    "a secret cannot be stored, because Holdfast does not encrypt arguments; "
    "pass the name of the secret and read it in the job"
)

_SECRETS: Final = (Secret, SecretStr, SecretBytes)
_NATIVE: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = (BaseModel, dict, list, tuple, deque)
_VALUES: Final = (str, int, float, bytes, Decimal, UUID, PurePath, datetime, date, time, timedelta)
"""Types of which a subclass may come back as the type itself: it holds the same value."""

_ANY_SCHEMA: Final = frozenset({"type", "metadata", "strict"})
_SCALARS: Final = {
    "none": _ANY_SCHEMA,
    "bool": _ANY_SCHEMA,
    "int": _ANY_SCHEMA | {"ge", "gt", "le", "lt", "multiple_of"},
    "float": _ANY_SCHEMA | {"ge", "gt", "le", "lt", "multiple_of", "allow_inf_nan"},
    "str": _ANY_SCHEMA | {"min_length", "max_length", "pattern", "regex_engine"},
}
"""Schemas of one plain value, with the keys that only accept or refuse it. Other keys change the value."""

_INSIDE: Final = {
    "list": ("items_schema",),
    "dict": ("keys_schema", "values_schema"),
    "nullable": ("schema",),
    "generator": ("items_schema",),
}


class Unproven(NamedTuple):
    """A field of a model whose schema does not prove that its values come back. `open`: it takes every value as it is."""

    name: str
    open: bool

    def proves(self, value: Any) -> bool:
        """Whether this value is proven to come back."""
        return self.open and _is_native(value)


def unproven_fields(model: type[BaseModel]) -> tuple[Unproven, ...]:
    """The fields of a model whose values have to be compared."""
    schema = cast(dict[str, Any], model.__pydantic_core_schema__)
    while schema["type"] in ("definitions", "model"):
        schema = schema["schema"]
    return tuple(
        Unproven(name, _is_open(field))
        for name, field in schema["fields"].items()
        if not _is_plain_field(field)
    )


def secret_in(value: Any, loc: Loc) -> Problem | None:
    """The first place that holds a secret."""
    if type(value) in _NATIVE:
        return None
    if isinstance(value, _SECRETS):
        return Problem(loc, NO_SECRETS)
    inside = (
        enumerate(cast(set[Any], value)) if isinstance(value, (set, frozenset)) else _parts(value).items()
    )
    return _first(secret_in(part, (*loc, name)) for name, part in inside)


def difference(before: Any, after: Any, loc: Loc) -> Problem | None:
    """The first place where `after` is not what `before` was. It names types, never values, which may be secret."""
    if before is after:
        return None
    if type(before) is not type(after):
        return None if _holds_the_same_value(before, after) else _comes_back_as(before, after, loc)
    if isinstance(before, _CONTAINERS) or dataclasses.is_dataclass(before):
        return _frame_difference(before, after, loc) or _parts_difference(_parts(before), _parts(after), loc)
    if isinstance(before, (set, frozenset)):
        return _set_difference(before, after, loc)
    if type(before).__eq__ is object.__eq__:
        return _object_difference(before, after, loc)
    same = before == after and (
        not isinstance(before, (datetime, time)) or before.utcoffset() == after.utcoffset()
    )
    return None if same else Problem(loc, "would come back changed")


# -- what the schema proves -----------------------------------------------------------------------------------------------


def _is_plain_field(field: Mapping[str, Any]) -> bool:
    if field.get("serialization_exclude") or "serialization_exclude_if" in field:
        return False
    schema = field["schema"]
    if schema["type"] != "default":
        return _is_plain(schema)
    return "serialization" not in schema and _is_plain(schema["schema"])


def _is_open(field: Mapping[str, Any]) -> bool:
    schema = field["schema"]
    inner = schema["schema"] if schema["type"] == "default" else schema
    return inner["type"] == "any" and not any("serialization" in one for one in (schema, inner))


def _is_native(value: Any) -> bool:
    """Whether a value is one that JSON itself represents."""
    if type(value) is list:
        return all(map(_is_native, cast(list[Any], value)))
    if type(value) is dict:
        members = cast(dict[Any, Any], value)
        return all(type(key) is str for key in members) and all(map(_is_native, members.values()))
    return type(value) in _NATIVE


def _is_plain(schema: Mapping[str, Any]) -> bool:
    kind = schema["type"]
    if "serialization" in schema:
        return False
    if kind in _SCALARS:
        return schema.keys() <= _SCALARS[kind]
    if kind == "literal":
        return all(type(one) in (str, int) for one in schema["expected"])
    if kind == "union":
        return schema.get("mode", "smart") == "smart" and all(
            isinstance(choice, dict) and choice["type"] in _SCALARS and choice.keys() <= _ANY_SCHEMA
            for choice in cast(list[Any], schema["choices"])
        )
    if kind == "dict" and schema.get("keys_schema", {}).get("type") != "str":
        return False
    return kind in _INSIDE and all(name in schema and _is_plain(schema[name]) for name in _INSIDE[kind])


# -- comparing ------------------------------------------------------------------------------------------------------------


def _parts(value: Any) -> dict[str | int, Any]:
    """What a value consists of, by the name of each part; nothing for a value that is compared as a whole."""
    if isinstance(value, BaseModel):
        private = value.__pydantic_private__ or {}
        kept: dict[str | int, Any] = {name: part for name, part in private.items() if not _is_opaque(part)}
        extra = cast(dict[str | int, Any], value.model_extra or {})
        return _attributes(value, type(value).model_fields) | extra | kept
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _attributes(value, [field.name for field in dataclasses.fields(value)])
    if isinstance(value, dict):
        items = cast(dict[Any, Any], value).items()
        return {key if isinstance(key, (str, int)) else str(key): part for key, part in items}
    return dict(enumerate(cast(list[Any], value))) if isinstance(value, (list, tuple, deque)) else {}


def _attributes(value: object, names: Iterable[str]) -> dict[str | int, Any]:
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _frame_difference(before: Any, after: Any, loc: Loc) -> Problem | None:
    """What containers hold beside their parts."""
    if isinstance(before, dict):
        keys, keys_after = list(cast(dict[Any, Any], before)), list(cast(dict[Any, Any], after))
        if len(keys) != len(keys_after):
            return Problem(loc, "would come back with another number of keys")
        found = _first(difference(key, other, loc) for key, other in zip(keys, keys_after, strict=True))
        if found is not None:
            return Problem(loc, f"a key: {found.msg}")
    if _frame(before) != _frame(after):
        return Problem(loc, "would come back with another default factory or length")
    return None


def _frame(container: Any) -> tuple[Any, Any]:
    return getattr(container, "default_factory", None), getattr(container, "maxlen", None)


def _parts_difference(before: Parts, after: Parts, loc: Loc) -> Problem | None:
    for name, part in before.items():
        if name not in after:
            return Problem((*loc, name), "would not come back")
        if (found := difference(part, after[name], (*loc, name))) is not None:
            return found
    added = [name for name in after if name not in before]
    return Problem((*loc, added[0]), "would come back although it was not there") if added else None


def _set_difference(before: Any, after: Any, loc: Loc) -> Problem | None:
    members = {one: one for one in after}
    if len(before) != len(members) or not all(one in members for one in before):
        return Problem(loc, "would come back changed")
    return _first(difference(one, members[one], loc) for one in before)


def _holds_the_same_value(before: Any, after: Any) -> bool:
    plain = (
        type(after) in _VALUES and isinstance(before, type(after)) and not isinstance(before, (bool, Enum))
    )
    return plain and bool(before == after)


def _object_difference(before: object, after: object, loc: Loc) -> Problem | None:
    """Objects without an equality of their own are compared by their attributes, where these are accessible."""
    if _is_opaque(before):
        return Problem(loc, f"{type(before).__name__} cannot be compared with what would come back")
    return _parts_difference(_state(before), _state(after), loc)


def _is_opaque(value: object) -> bool:
    return type(value).__eq__ is object.__eq__ and not hasattr(value, "__dict__") and not _slots(value)


def _state(value: object) -> dict[str | int, Any]:
    slots = _attributes(value, _slots(value))
    return {**vars(value), **slots} if hasattr(value, "__dict__") else slots


def _slots(value: object) -> list[str]:
    found: list[str] = []
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        found += (slots,) if isinstance(slots, str) else slots
    return found


def _comes_back_as(before: object, after: object, loc: Loc) -> Problem:
    return Problem(loc, f"{type(before).__name__} would come back as {type(after).__name__}")


def _first(found: Iterable[Problem | None]) -> Problem | None:
    return next((problem for problem in found if problem is not None), None)
