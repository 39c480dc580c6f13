"""Writes a search in its one short form, for addresses and links.

What is written here reads back as the same tree, and is never longer than the text it was read from.
"""

from __future__ import annotations

import re

from holdfast.core.errors import InvalidInput
from holdfast.core.query.errors import QueryError
from holdfast.core.query.fields import FIELDS, Field, Kind
from holdfast.core.query.syntax import (
    ARGS,
    BARE_KEY,
    BARE_VALUE,
    BARE_WORD,
    KEYWORD,
    FreeWord,
    Group,
    Negation,
    Term,
    Tree,
    Value,
    like_a_field,
    read,
)
from holdfast.core.sizes import check_name

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A number as JSON writes it."""

_NUMBER_RANGE = re.compile(rf"({NUMBER.pattern})\.\.({NUMBER.pattern})")
_TO_ESCAPE = re.compile(r'\\(?=["\\]|\Z)|"')


def number_range(text: str) -> tuple[str, str] | None:
    """Both ends of `1..5`, None for any other text."""
    match = _NUMBER_RANGE.fullmatch(text)
    return (match[1], match[2]) if match else None


def write(tree: Tree | None) -> str:
    """The canonical text of a tree."""
    match tree:
        case None:
            return ""
        case Term():
            values = ",".join(_value(value, tree.field.kind) for value in tree.values)
            high = f"..{_value(tree.high, tree.field.kind)}" if tree.high else ""
            return f"{tree.field.name}{_path(tree.path)}:{'' if tree.op == '=' else tree.op}{values}{high}"
        case FreeWord():
            text = tree.value.text
            return quote(text) if tree.value.quoted and not _plain_word(text) else text
        case Negation():
            inner = write(tree.item)
            return f"-({inner})" if isinstance(tree.item, (Group, Negation)) else f"-{inner}"
        case Group(operator="OR"):
            return " OR ".join(write(item) for item in tree.items)
        case Group():
            texts = [(write(item), isinstance(item, Group)) for item in tree.items]
            return " ".join(f"({text})" if grouped else text for text, grouped in texts)


def term(field: str, value: str) -> str:
    """The text that searches for exactly this value of a text field, whatever it contains: for links.

    Raises QueryError for a value that no search can hold (no name, control characters, an error class that
    would read as something else), and ValueError for another kind of field.
    """
    kind = FIELDS[field].kind
    if kind not in (Kind.STATE, Kind.TEXT, Kind.ERROR):
        raise ValueError(f"{field} does not hold text")
    plain = _plain_value(value, kind)
    text = f"{field}:{value if plain else quote(value)}"
    read(text)
    check_exact(FIELDS[field], value, len(field) + 1, len(text))
    if kind is Kind.ERROR and not plain:
        raise QueryError(
            "In quotes this would be text of the message, not a class", len(field) + 1, len(text)
        )
    return text


def check_exact(field: Field, value: str, start: int, end: int) -> None:
    """Raise QueryError for an exact value that no job can have: what an enqueue refuses as a name finds nothing either."""
    if field.named:
        try:
            check_name(value, loc=(field.name,))
        except InvalidInput as error:
            raise QueryError(f"No job has such a name: {error}", start, end) from None


def link_term(field: str, value: str) -> str:
    """`term` for the link of a value that is stored already. Where no search can hold the value, the text says so when
    it is read; it never finds other jobs."""
    try:
        return term(field, value)
    except QueryError:
        return f"{field}:{quote(value)}"


def quote(text: str) -> str:
    """`text` in quotation marks, with no backslash more than it needs."""
    return '"' + _TO_ESCAPE.sub(lambda match: "\\" + match[0], text) + '"'


def _value(value: Value, kind: Kind) -> str:
    text = value.text.lower() if kind is Kind.STATE else value.text
    if value.quoted and (kind is Kind.ERROR or kind.ordered or not _plain_value(text, kind)):
        return quote(text)
    return text


def _plain_value(text: str, kind: Kind) -> bool:
    """Whether the text means itself without quotation marks too."""
    if not BARE_VALUE.fullmatch(text) or "*" in text or text[0] in "=<>~#" or text in ("null", "me"):
        return False
    if kind is Kind.ARGS:
        return text not in ("true", "false") and not NUMBER.fullmatch(text) and not number_range(text)
    return True


def _plain_word(text: str) -> bool:
    return (
        BARE_WORD.fullmatch(text) is not None
        and "*" not in text
        and text[0] != "-"
        and not like_a_field(text)
        and not (KEYWORD.match(text) or ARGS.match(text))
    )


def _path(path: tuple[str | int, ...]) -> str:
    steps: list[str] = []
    for step in path:
        if isinstance(step, str) and BARE_KEY.fullmatch(step):
            steps.append(f".{step}")
        else:
            steps.append(f"[{step if isinstance(step, int) else quote(step)}]")
    return "".join(steps)
