"""Parses the text of a search into a tree that keeps the position of each part.

Meaning (which time is `2h`, who is `me`) is given later, so this tree also serves to rewrite the text. One
pass, no backtracking, nesting bounded: the time taken grows with the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from holdfast.core.query.errors import QueryError
from holdfast.core.query.fields import FIELDS, Field, Kind, nearest

MAX_CHARS = 2_000
MAX_TERMS = 64
"""Words, terms and each further value of a list count as one."""
MAX_DEPTH = 8
"""Parentheses within each other."""

FIELD = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):")
KEYWORD = re.compile(r"(AND|OR|(?i:NOT))(?=[\s()]|\Z)")
BARE_VALUE = re.compile(r'[^\s()",]+')
BARE_WORD = re.compile(r'[^\s()"]+')
BARE_KEY = re.compile(r'[^\s.\[\]:"(),]+')
ARGS = re.compile(r"args(?=[.\[])", re.IGNORECASE)

_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SPACE = re.compile(r"\s*")
_OP = re.compile(r">=|<=|[=<>~]")
_ORDERED_VALUE = re.compile(r'(?:(?!\.\.)[^\s()",])+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r'\\(["\\])')
_KEY = re.compile(rf"\.({BARE_KEY.pattern})")
_INDEX = re.compile(r"\[([0-9]{1,9})\]")
_QUOTED_KEY = re.compile(rf"\[{_QUOTED.pattern}\]")

Op: TypeAlias = Literal["=", "<", "<=", ">", ">=", "~"]
_OPS: dict[str, Op] = {"=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "~": "~"}


@dataclass(frozen=True, slots=True)
class Value:
    """A value as written; in quotes it is literal, whatever it looks like."""

    text: str
    quoted: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Term:
    """`field:values`, or with `high` the range from the one value to it. `path` is that of an argument."""

    field: Field
    path: tuple[str | int, ...]
    op: Op
    values: tuple[Value, ...]
    high: Value | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FreeWord:
    value: Value
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Negation:
    item: Tree
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Group:
    """Two or more items under one operator, none of them a group under the same one."""

    operator: Literal["AND", "OR"]
    items: tuple[Tree, ...]
    start: int
    end: int


Tree: TypeAlias = Term | FreeWord | Negation | Group


def read(text: str) -> Tree | None:
    """The tree of `text`, None when it is blank. Raises QueryError."""
    if len(text) > MAX_CHARS:
        raise QueryError(f"A search may have at most {MAX_CHARS:,} characters", MAX_CHARS, len(text))
    if refused := _REFUSED.search(text):
        message = "Control characters and broken letters cannot be searched"
        raise QueryError(message, refused.start(), refused.end())
    return _Reader(text).whole()


def like_a_field(text: str) -> bool:
    """Whether a bare word looks like a field and its value; 10:30 and 127.0.0.1:80 do not."""
    name, colon, _ = text.partition(":")
    return bool(colon) and (not name or any(letter.isalpha() or letter == "_" for letter in name))


def group(operator: Literal["AND", "OR"], items: Sequence[Tree]) -> Tree:
    """The items under the operator: flat, and the item itself when there is but one."""
    flat: list[Tree] = []
    for item in items:
        flat.extend(item.items if isinstance(item, Group) and item.operator == operator else (item,))
    return flat[0] if len(flat) == 1 else Group(operator, tuple(flat), items[0].start, items[-1].end)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.terms = 0

    def whole(self) -> Tree | None:
        self._skip()
        if self.at == len(self.text):
            return None
        tree = self._any()
        if self.at < len(self.text):
            raise QueryError("This parenthesis closes nothing", self.at, self.at + 1)
        return tree

    def _any(self) -> Tree:
        items = [self._all()]
        while self._keyword("OR"):
            items.append(self._all())
        return group("OR", items)

    def _all(self) -> Tree:
        items = [self._unary()]
        while self._more():
            self._keyword("AND")
            items.append(self._unary())
        return group("AND", items)

    def _more(self) -> bool:
        self._skip()
        keyword = KEYWORD.match(self.text, self.at)
        return not self._ends() and not (keyword and keyword[1] == "OR")

    def _unary(self) -> Tree:
        self._skip()
        start = self.at
        if self._keyword("NOT"):
            self._skip()
        elif self.text.startswith("-", self.at):
            self.at += 1
            if self._ends() or self.text[self.at].isspace():
                raise QueryError("A minus must be directly before the term that it excludes", start, self.at)
        else:
            return self._atom()
        item = self._atom()
        return Negation(item, start, item.end)

    def _atom(self) -> Tree:
        if self._ends():
            end = min(self.at + 1, len(self.text))
            raise QueryError("Something to search for is missing here", self.at, end)
        if keyword := KEYWORD.match(self.text, self.at):
            message = f"{keyword[1].upper()} needs something to search for; to search for the word itself, put it in quotes"
            raise QueryError(message, self.at, keyword.end(), f'"{keyword[1]}"')
        start = self.at
        if self.text[start] == "-":
            message = "One minus or NOT is enough; put a text that begins with one in quotes"
            raise QueryError(message, start, start + 1)
        if self.text[start] == "(":
            return self._parentheses()
        path = self._path()
        if path is not None:
            return self._term(FIELDS["args"], path, start)
        if field := FIELD.match(self.text, start):
            self.at = field.end()
            return self._term(self._field(field), (), start)
        return self._word()

    def _parentheses(self) -> Tree:
        start = self.at
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise QueryError(f"Parentheses may be nested at most {MAX_DEPTH} deep", start, start + 1)
        self.at += 1
        tree = self._any()
        if self.at == len(self.text):
            raise QueryError("This parenthesis is not closed", start, start + 1)
        self.at += 1
        self.depth -= 1
        return replace(tree, start=start, end=self.at)

    def _word(self) -> FreeWord:
        start = self.at
        value = self._quoted() or self._bare(BARE_WORD)
        assert value is not None  # the caller has checked that there is no space or parenthesis here
        if not value.quoted and like_a_field(value.text):
            name = value.text.partition(":")[0]
            near = nearest(name, FIELDS)
            end = start + len(name) if near else self.at
            raise QueryError(_no_field(name, near), start, end, near or f'"{value.text}"')
        self._count(start)
        self._delimited()
        return FreeWord(value, start, self.at)

    def _field(self, match: re.Match[str]) -> Field:
        name = match[1].lower()
        field = FIELDS.get(name)
        if field is None:
            end = match.end(1)
            near = nearest(name, FIELDS)
            raise QueryError(_no_field(match[1], near), match.start(), end, near)
        if field.kind is Kind.ARGS:
            message = "Say which argument, as in args.name:value"
            raise QueryError(message, match.start(), match.end(), "args.name:")
        return field

    def _term(self, field: Field, path: tuple[str | int, ...], start: int) -> Term:
        op: Op = "="
        if written := _OP.match(self.text, self.at):
            op = _OPS[written[0]]
            self.at = written.end()
        values = [self._value(field)]
        high: Value | None = None
        if field.kind.ordered and self.text.startswith("..", self.at):
            self.at += 2
            high = self._value(field)
        else:
            while self.text.startswith(",", self.at):
                self.at += 1
                values.append(self._value(field))
        self._delimited()
        return Term(field, path, op, tuple(values), high, start, self.at)

    def _value(self, field: Field) -> Value:
        start = self.at
        value = self._quoted() or self._bare(_ORDERED_VALUE if field.kind.ordered else BARE_VALUE)
        if value is None:
            end = min(start + 1, len(self.text))
            raise QueryError(f"A value for {field.name} is missing here", start, end)
        if not value.quoted and value.text[0] in "=<>~":
            raise QueryError(f"A value that begins with {value.text[0]} goes in quotes", start, self.at)
        self._count(start)
        return value

    def _path(self) -> tuple[str | int, ...] | None:
        """The path of `args.path:`, read up to and including its colon; None when there is no such term here."""
        head = ARGS.match(self.text, self.at)
        if head is None:
            return None
        start, path = self.at, list[str | int]()
        self.at = head.end()
        while self.at < len(self.text) and self.text[self.at] in ".[":
            if key := _KEY.match(self.text, self.at):
                path.append(key[1])
            elif key := _INDEX.match(self.text, self.at):
                path.append(int(key[1]))
            elif key := _QUOTED_KEY.match(self.text, self.at):
                path.append(_ESCAPE.sub(r"\1", key[1]))
            else:
                break
            self.at = key.end()
        if path and self.text.startswith(":", self.at):
            self.at += 1
            return tuple(path)
        wrong = self.at
        self.at = start
        word = BARE_WORD.match(self.text, start)
        if word and ":" not in word[0] and not self.text.startswith('"', word.end()):
            return None  # a plain word such as args.txt
        message = 'This is no path of an argument; write args.user.id, args.items[0] or args["odd key"]'
        raise QueryError(message, start, min(wrong + 1, len(self.text)))

    def _quoted(self) -> Value | None:
        if not self.text.startswith('"', self.at):
            return None
        start = self.at
        match = _QUOTED.match(self.text, start)
        if match is None:
            raise QueryError("This quotation mark has no end", start, len(self.text))
        self.at = match.end()
        return Value(_ESCAPE.sub(r"\1", match[1]), True, start, self.at)

    def _bare(self, pattern: re.Pattern[str]) -> Value | None:
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        start, self.at = self.at, match.end()
        return Value(match[0], False, start, self.at)

    def _count(self, start: int) -> None:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise QueryError(f"A search may have at most {MAX_TERMS} terms and values", start, self.at)

    def _delimited(self) -> None:
        if not self._ends() and not self.text[self.at].isspace():
            message = f"Before {self.text[self.at]} a space is missing, or the whole text belongs in quotes"
            raise QueryError(message, self.at, self.at + 1)

    def _keyword(self, word: str) -> bool:
        self._skip()
        match = KEYWORD.match(self.text, self.at)
        if match is None or match[1].upper() != word:
            return False
        self.at = match.end()
        return True

    def _ends(self) -> bool:
        return self.at == len(self.text) or self.text[self.at] == ")"

    def _skip(self) -> None:
        space = _SPACE.match(self.text, self.at)
        if space:
            self.at = space.end()


def _no_field(name: str, near: str | None) -> str:
    return f"There is no field {name[:40]}{'' if near else '; a text with a colon goes in quotes'}"
