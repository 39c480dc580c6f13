"""Where MariaDB and MySQL differ in a search: patterns, letter case, JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Final, Literal

from holdfast.core.query import Pattern
from holdfast.storage.search import Compiler, Path, Sql, Value

_NUMBERS: Final = "('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL')"
MAX_TEXT: Final = 1e35
"""Numbers are compared with 35 digits before and 30 behind the point, the most that the servers have."""


_ARGS: Final = "IF(JSON_VALID(jobs.args), jobs.args, NULL)"
"""What is no JSON is nothing: MySQL would refuse the whole statement for the sake of one row."""


def _number(place: str) -> str:
    """A number of the progress; NULL for one so large that the servers refuse to divide it."""
    found = f"JSON_EXTRACT(IF(JSON_VALID(jobs.progress), jobs.progress, NULL), '{place}')"
    number = f"CAST({found} AS DECIMAL(65, 30))"
    return (
        f"(CASE WHEN CAST(JSON_TYPE({found}) AS BINARY) IN {_NUMBERS} AND {number} BETWEEN -1e15 AND 1e15 "
        f"THEN {number} + 0e0 END)"
    )


class MysqlCompiler(Compiler):
    """Texts are compared by code point, as the collation of every column says; the two servers agree on all that is used
    here."""

    mark = "%s"
    progress = (
        f"(CASE WHEN {_number('$.total')} > 0 THEN 100e0 * ({_number('$.done')} / {_number('$.total')}) END)"
    )

    def fits(self, expression: Sql, pattern: Pattern) -> Sql:
        text = "%".join(_plain(part) for part in pattern.parts)
        return Sql(f"{expression.text} LIKE %s ESCAPE '!'", (*expression.values, text))

    def alike(self, column: str, text: str, *, start: bool = False) -> Sql:
        begin = "" if start else "%"
        return Sql(f"LOWER({column}) LIKE LOWER(%s) ESCAPE '!'", (f"{begin}{_plain(text)}%",))

    def argument(self, path: Path, kind: Literal["number", "text"]) -> Sql:
        found, values = _argument(path)
        if kind == "text":
            return Sql(f"(CASE WHEN {_type(found)} = 'STRING' THEN {_text(found)} END)", values * 2)
        number = f"CAST({found} AS DECIMAL(65, 30))"
        return Sql(f"(CASE WHEN {_type(found)} IN {_NUMBERS} THEN {number} END)", values * 2)

    def argument_written(self, path: Path) -> Sql:
        found, values = _argument(path)
        written = f"CAST({found} AS BINARY)"
        return Sql(
            f"(CASE WHEN {_type(found)} = 'STRING' THEN {_text(found)} ELSE {written} END)", values * 3
        )

    def number(self, value: int | float) -> Value:
        """As a decimal number: a comparison with a binary one would round the argument."""
        return Decimal(repr(value)) if isinstance(value, float) and abs(value) < MAX_TEXT else value

    def argument_is(self, path: Path, literal: Literal["null", "true", "false"] | None) -> Sql:
        found, values = _argument(path)
        if literal is None:
            return Sql(f"{found} IS NOT NULL", values)
        kind = "NULL" if literal == "null" else "BOOLEAN"
        test = f"({_type(found)} = '{kind}' AND {_text(found)} = '{literal}')"
        return Sql(test, values * 2)


def _argument(path: Path) -> Sql:
    """The argument as JSON, NULL when there is none. The servers take a single value for a list of one; we do not."""
    lists = [path[:n] for n, step in enumerate(path) if isinstance(step, int)]
    found = f"JSON_EXTRACT({_ARGS}, %s)"
    if not lists:
        return Sql(found, (_place(path),))
    are_lists = " AND ".join([f"{_type(found)} = 'ARRAY'"] * len(lists))
    return Sql(f"IF({are_lists}, {found}, NULL)", (*(_place(one) for one in lists), _place(path)))


def _type(found: str) -> str:
    return f"CAST(JSON_TYPE({found}) AS BINARY)"


def _text(found: str) -> str:
    """Bytes are compared, which is by code point; the servers' JSON functions have a collation of their own, which drops
    blanks at the end."""
    return f"CAST(JSON_UNQUOTE({found}) AS BINARY)"


def _place(path: Path) -> str:
    """The path as the servers' JSON functions read it; a quoted key is written as JSON writes it."""
    steps = (
        f"[{step}]" if isinstance(step, int) else f".{json.dumps(step, ensure_ascii=False)}" for step in path
    )
    return "$" + "".join(steps)


def _plain(text: str) -> str:
    """A pattern of `LIKE` for this text only."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
