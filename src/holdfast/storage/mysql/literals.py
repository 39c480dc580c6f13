"""Writes the values of many rows into one statement: the driver binds one value at a time, which costs more than the
server takes to store it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

Value: TypeAlias = str | int | float | Decimal | None


def literal(value: Value) -> str:
    """The value as SQL writes it. Right for the SQL mode that every connection of ours is in: a backslash escapes."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    if isinstance(value, Decimal):
        return str(value)
    return repr(value + 0)  # a bool as a number; a float with all its digits


def row(values: Iterable[Value]) -> str:
    """(…) of one row."""
    return "(" + ",".join([literal(value) for value in values]) + ")"


def rows(values: Iterable[Iterable[Value]]) -> str:
    """(…),(…) of many rows, for VALUES."""
    return ",".join([row(one) for one in values])


def listed(values: Iterable[Value]) -> str:
    """(…) for IN; of nothing, a list that nothing is in."""
    return row(values) if values else "(NULL)"


class Changes:
    """The SET of one UPDATE that gives many jobs each its own values."""

    def __init__(self, seqs: Sequence[int]) -> None:
        self._seqs = seqs
        self._parts: list[str] = []

    def write(self, expression: str) -> None:
        """A change that reads the same for each."""
        self._parts.append(expression)

    def put(self, column: str, values: Mapping[int, Value]) -> None:
        """Each job has a value."""
        different = set(values.values())
        if len(different) == 1:
            self._parts.append(f"{column} = {literal(different.pop())}")
        else:
            self._parts.append(f"{column} = {_case(values)} END")

    def replace(self, column: str, values: Mapping[int, Value]) -> None:
        """Jobs that have a value here; the others keep theirs."""
        if len(values) == len(self._seqs):
            self.put(column, values)
        elif values:
            self._parts.append(f"{column} = {_case(values)} ELSE {column} END")

    def statement(self, where: str) -> str:
        """UPDATE jobs … of these jobs, as far as `where` holds for them; "" when there is nothing to change."""
        if not self._parts:
            return ""
        return f"UPDATE jobs SET {', '.join(self._parts)} WHERE seq IN {listed(self._seqs)} AND {where}"


def _case(values: Mapping[int, Value]) -> str:
    return "CASE seq " + " ".join([f"WHEN {seq} THEN {literal(value)}" for seq, value in values.items()])
