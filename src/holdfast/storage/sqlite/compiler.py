"""Where SQLite differs in a search: patterns, letter case, JSON."""

from __future__ import annotations

import json
from typing import Literal

from holdfast.core.query import Pattern
from holdfast.storage.search import Compiler, Path, Sql, any_case, waited

_ARGS = "(CASE WHEN json_valid(jobs.args) THEN jobs.args END)"
_PROGRESS = "(CASE WHEN json_valid(jobs.progress) THEN jobs.progress END)"
"""What is no JSON is nothing: the functions of the library would refuse the whole statement for the sake of one row."""

_NUMBERS = "('integer', 'real')"


class SqliteCompiler(Compiler):
    """`GLOB` compares by code point and `LIKE` folds ASCII; JSON is read from its text by the library."""

    progress = (
        f"(CASE WHEN json_type({_PROGRESS}, '$.done') IN {_NUMBERS} AND json_type({_PROGRESS}, '$.total') IN {_NUMBERS} "
        f"AND {_PROGRESS} ->> '$.total' > 0 "
        f"THEN 100.0 * ({_PROGRESS} ->> '$.done') / ({_PROGRESS} ->> '$.total') END)"
    )

    waited = waited("history")

    def fits(self, expression: Sql, pattern: Pattern) -> Sql:
        text = "*".join("".join(_plain(letter) for letter in part) for part in pattern.parts)
        return Sql(f"{expression.text} GLOB ?", (*expression.values, text))

    def alike(self, column: str, text: str, *, start: bool = False) -> Sql:
        if text.isascii():
            escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            return Sql(f"{column} LIKE ? ESCAPE '\\'", (f"{'' if start else '%'}{escaped}%",))
        letters = "".join(_any_case(letter) for letter in text)
        return Sql(f"{column} GLOB ?", (f"{'' if start else '*'}{letters}*",))

    def argument(self, path: Path, kind: Literal["number", "text"]) -> Sql:
        place = _place(path)
        types = "= 'text'" if kind == "text" else f"IN {_NUMBERS}"
        return Sql(f"(CASE WHEN json_type({_ARGS}, ?) {types} THEN {_ARGS} ->> ? END)", (place, place))

    def argument_written(self, path: Path) -> Sql:
        place = _place(path)
        text = f"CASE WHEN json_type({_ARGS}, ?) = 'text' THEN {_ARGS} ->> ? ELSE {_ARGS} -> ? END"
        return Sql(f"({text})", (place, place, place))

    def argument_is(self, path: Path, literal: Literal["null", "true", "false"] | None) -> Sql:
        place = _place(path)
        if literal is None:
            return Sql(f"json_type({_ARGS}, ?) IS NOT NULL", (place,))
        return Sql(f"json_type({_ARGS}, ?) = ?", (place, literal))


def _place(path: Path) -> str:
    """The path as SQLite's JSON functions read it; a quoted key is written as JSON writes it."""
    steps = (
        f"[{step}]" if isinstance(step, int) else f".{json.dumps(step, ensure_ascii=False)}" for step in path
    )
    return "$" + "".join(steps)


def _plain(letter: str) -> str:
    """A pattern of `GLOB` for this letter only."""
    return f"[{letter}]" if letter in "*?[" else letter


def _any_case(letter: str) -> str:
    """A pattern of `GLOB` for this letter in either case."""
    forms = any_case(letter)
    return f"[{''.join(forms)}]" if len(forms) > 1 else _plain(letter)
