"""Where PostgreSQL differs in a search: patterns, letter case, JSON.

Every text column has the collation "C", so texts are compared by code point and only ASCII letters have a case.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from holdfast.core.query import Pattern
from holdfast.storage.search import Compiler, Path, Sql, Value, any_case


class PostgresCompiler(Compiler):
    """Arguments are read as `json`, not as `jsonb`, which would write them anew; `readable` is a function of the schema."""

    mark = "%s"
    progress = (
        "(CASE WHEN json_typeof(readable(jobs.progress) -> 'done') = 'number' "
        "AND json_typeof(readable(jobs.progress) -> 'total') = 'number' THEN "
        "100 * (readable(jobs.progress) ->> 'done')::numeric "
        "/ nullif(greatest((readable(jobs.progress) ->> 'total')::numeric, 0), 0) END)"
    )

    def fits(self, expression: Sql, pattern: Pattern) -> Sql:
        text = "%".join(_plain_like(part) for part in pattern.parts)
        return Sql(f"{expression.text} LIKE %s", (*expression.values, text))

    def alike(self, column: str, text: str, *, start: bool = False) -> Sql:
        if text.isascii():
            return Sql(f"lower({column}) LIKE %s", (f"{'' if start else '%'}{_plain_like(text.lower())}%",))
        letters = "".join(_any_case(letter) for letter in text)
        return Sql(f"{column} ~ %s", (f"{'^' if start else ''}{letters}",))

    def argument(self, path: Path, kind: Literal["number", "text"]) -> Sql:
        place, steps = _place(path)
        if kind == "text":
            text = f"(CASE WHEN json_typeof({place}) = 'string' THEN {place} #>> '{{}}' END COLLATE \"C\")"
        else:
            text = f"(CASE WHEN json_typeof({place}) = 'number' THEN ({place} #>> '{{}}')::numeric END)"
        return Sql(text, steps * 2)

    def argument_written(self, path: Path) -> Sql:
        place, steps = _place(path)
        text = f"CASE WHEN json_typeof({place}) = 'string' THEN {place} #>> '{{}}' ELSE {place}::text END"
        return Sql(f'(({text}) COLLATE "C")', steps * 3)

    def argument_is(self, path: Path, literal: Literal["null", "true", "false"] | None) -> Sql:
        place, steps = _place(path)
        if literal is None:
            return Sql(f"{place} IS NOT NULL", steps)
        return Sql(f"{place}::text = %s", (*steps, literal))

    def number(self, value: int | float) -> Value:
        """As a decimal number: a comparison with a binary one would round the argument, or refuse a very large one."""
        return Decimal(repr(value)) if isinstance(value, float) else value


def _place(path: Path) -> tuple[str, tuple[Value, ...]]:
    """The argument as `json`, NULL when there is none; and the steps to it. A number leads into a list, a text into an
    object."""
    steps = "".join(f" -> %s::{'int' if isinstance(step, int) else 'text'}" for step in path)
    return f"(readable(jobs.args){steps})", tuple(path)


def _plain_like(text: str) -> str:
    """A pattern of `LIKE` for this text only."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _any_case(letter: str) -> str:
    """A regular expression for this letter in either case."""
    forms = any_case(letter)
    if len(forms) > 1:
        return f"[{''.join(forms)}]"
    return f"\\{letter}" if letter.isascii() and not letter.isalnum() else letter
