"""What the records need of a database: the rows of statements, and the transaction in which they write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from holdfast.core.records import EVENT_KINDS
from holdfast.storage.records.dialect import Dialect, LeaseClock, Value

Rows: TypeAlias = Callable[[str, Sequence[Value]], Sequence[tuple[Any, ...]]]
"""Runs a statement as the driver takes it and returns its rows."""

QUEUE: Final = EVENT_KINDS.index("queue")
WORKER: Final = EVENT_KINDS.index("worker")

EVENT: Final = "INSERT INTO events (at, kind, state, actor, reason, worker) VALUES (?, ?, ?, ?, ?, ?)"


class Event(NamedTuple):
    """An event that belongs to no job. `kind`: its place in EVENT_KINDS."""

    at: int
    kind: int
    state: str | None = None
    actor: str | None = None
    reason: str | None = None
    worker: str | None = None


class ReadSession:
    """Reads from any thread what is committed. `now`: the store's clock."""

    def __init__(self, dialect: Dialect, leases: LeaseClock, now: Callable[[], int], rows: Rows) -> None:
        self.dialect = dialect
        self.leases = leases
        self.now = now
        self._rows = rows

    def rows(self, statement: str, values: Sequence[Value] = ()) -> Sequence[tuple[Any, ...]]:
        """The rows of a statement that is written as `Dialect` says."""
        return self._rows(self.adapted(statement, values), values)

    def adapted(self, statement: str, values: Sequence[Value]) -> str:
        """The statement as the driver takes it, which reads no parameters where there are no values."""
        return self.dialect.sql(statement) if values else statement


class WriteSession(ReadSession):
    """Writes in the open transaction of the writing connection, and reads what it sees. `now`: its time."""

    def __init__(
        self,
        dialect: Dialect,
        leases: LeaseClock,
        now: Callable[[], int],
        rows: Rows,
        change: Callable[[str, Sequence[Value]], int],
    ) -> None:
        super().__init__(dialect, leases, now, rows)
        self._change = change

    def change(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Run a statement. Returns how many rows it has matched."""
        return self._change(self.adapted(statement, values), values)

    def write(self, statement: str, values: Sequence[Value] = ()) -> None:
        """Run a statement of which nothing is needed but that it is done at the commit."""
        self.change(statement, values)

    def emit(self, event: Event) -> None:
        """Store an event."""
        self.write(EVENT, event)
