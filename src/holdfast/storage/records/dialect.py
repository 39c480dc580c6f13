"""How the databases differ in the SQL of the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final, Protocol, TypeAlias

Value: TypeAlias = str | int | float | None
Row: TypeAlias = tuple[Value, ...]

EXCLUDED: Final = "excluded."
"""Before a column in the changes of an upsert: the value that was to be inserted."""


class LeaseClock(Protocol):
    """The clock of leases: which columns hold the end of a lease, and how they are compared."""

    columns: ClassVar[tuple[str, ...]]
    """The columns of the end of a lease."""

    over: ClassVar[str]
    """The condition that a lease has ended. Its parameters: `now()`."""

    def now(self) -> tuple[Value, ...]:
        """This moment."""
        ...

    def until(self, seconds: float) -> tuple[Value, ...]:
        """The columns of a lease that begins now."""
        ...

    def ended_at(self, columns: Row) -> int:
        """The columns of a lease as a time of the store."""
        ...


class Dialect:
    """The SQL of SQLite and PostgreSQL; a database that differs overrides what is different.

    A statement of the records has `?` for each parameter and names no function that is not everywhere. An UPDATE assigns a
    column behind those that ask for its old value, because some servers assign one after the other."""

    mark: ClassVar[str] = "?"
    """What the driver writes for a parameter."""

    row_lock: ClassVar[str] = ""
    """Behind a SELECT whose rows are written next, in the order of their keys; "" where one transaction writes at a time."""

    job_states: ClassVar[str] = "jobs"
    """The table that holds state and worker of each job."""

    renamed: ClassVar[Mapping[str, str]] = {}
    """Columns that have another name here."""

    def sql(self, statement: str) -> str:
        """A statement with parameters as the driver takes it."""
        return statement if self.mark == "?" else statement.replace("%", "%%").replace("?", self.mark)

    def column(self, name: str) -> str:
        """The name of a column."""
        return self.renamed.get(name, name)

    def columns(self, names: Iterable[str]) -> str:
        """A list of columns."""
        return ", ".join(map(self.column, names))

    def insert_missing(self, table: str, columns: Sequence[str], *, key: Sequence[str]) -> str:
        """Insert a row unless its key is there; then nothing changes."""
        return f"{self._insert(table, columns)} {self._otherwise(table, key, {})}"

    def upsert(self, table: str, columns: Sequence[str], *, key: Sequence[str], **changes: str) -> str:
        """Insert a row, or give its values to the row of that key. `changes`: what a column becomes in place of its new
        value, an expression with EXCLUDED and with the table before each column of the row that is there."""
        assigned = {
            self.column(name): changes.get(name, EXCLUDED + self.column(name))
            for name in columns
            if name not in key
        }
        return f"{self._insert(table, columns)} {self._otherwise(table, key, assigned)}"

    def _insert(self, table: str, columns: Sequence[str]) -> str:
        return f"INSERT INTO {table} ({self.columns(columns)}) VALUES {listed(columns)}"

    def _otherwise(self, table: str, key: Sequence[str], changes: Mapping[str, str]) -> str:
        """What happens when the key is there; without changes, nothing."""
        if not changes:
            return f"ON CONFLICT ({self.columns(key)}) DO NOTHING"
        return f"ON CONFLICT ({self.columns(key)}) DO UPDATE SET {assignments(changes)}"


def assignments(changes: Mapping[str, str]) -> str:
    """The SET of these columns."""
    return ", ".join(f"{column} = {expression}" for column, expression in changes.items())


def parameters(columns: Iterable[str]) -> str:
    """The SET of these columns to one parameter each."""
    return assignments(dict.fromkeys(columns, "?"))


def listed(values: Sequence[Value]) -> str:
    """A parameter for each of the values, at least one: the list of an IN, or the VALUES of a row."""
    return f"({', '.join('?' * len(values))})"
