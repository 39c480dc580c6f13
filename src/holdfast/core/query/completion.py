"""What is being written at the caret of a search, and which fields and values complete it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.query.corrections import TERM
from holdfast.core.query.fields import FIELDS, Field, Kind, nearest

_NAME = re.compile(r"(?:[A-Za-z][A-Za-z0-9_-]*)?")
_NAME_END = re.compile(r"[A-Za-z0-9_-]*:?")
_VALUE_END = re.compile(r'[^\s()",]*')


@dataclass(frozen=True, slots=True)
class Place:
    """The name of a field (`field` is None) or one of its values. `word` is before the caret; a completion replaces
    what lies from `start` to `end`."""

    field: Field | None
    word: str
    start: int
    end: int


def place_at(text: str, caret: int) -> Place | None:
    """What is being written at the caret; None where nothing can be completed, such as within quotes."""
    caret = max(0, min(caret, len(text)))
    start = next((term.start() for term in TERM.finditer(text) if term.start() < caret <= term.end()), caret)
    if text.startswith("-", start) and start < caret:
        start += 1
    head = text[start:caret]
    name, colon, values = head.partition(":")
    if not colon:
        end = _NAME_END.match(text, caret)
        return Place(None, head, start, end.end() if end else caret) if _NAME.fullmatch(head) else None
    field = FIELDS.get(name.lower())
    if field is None or field.kind is Kind.ARGS or '"' in values:
        return None
    word = values.rpartition(",")[2]
    end = _VALUE_END.match(text, caret)
    return Place(field, word, caret - len(word), end.end() if end else caret)


def completing(names: Iterable[str], word: str) -> list[str]:
    """The names that contain the word, ignoring case; those that begin with it come first."""
    folded = word.lower()
    found = [name for name in names if folded in name.lower()]
    return sorted(found, key=lambda name: not name.lower().startswith(folded))


def fields_completing(word: str) -> list[Field]:
    """The fields that a word completes to, else the one most like it."""
    near = nearest(word, FIELDS)
    return [FIELDS[name] for name in completing(FIELDS, word) or ([near] if near else [])]
