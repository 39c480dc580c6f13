"""The transaction as the records write in it."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.storage.mysql.dialect import MysqlDialect
from holdfast.storage.mysql.transaction import WritingSession
from holdfast.storage.records.dialect import Value
from holdfast.storage.records.session import Event, WriteSession
from holdfast.storage.server_clock import ServerLeases


class RecordSession(WriteSession):
    """What nothing waits for is sent with the next statement, and events are numbered at the commit."""

    def __init__(self, transaction: WritingSession) -> None:
        now = transaction.now
        super().__init__(
            MysqlDialect(),
            ServerLeases(now),
            now,
            lambda statement, values: transaction.run(statement, *values),
            lambda statement, values: transaction.change(statement, *values),
        )
        self._transaction = transaction

    def write(self, statement: str, values: Sequence[Value] = ()) -> None:
        self._transaction.write(self.adapted(statement, values), *values)

    def emit(self, event: Event) -> None:
        at, kind, state, actor, reason, worker = event
        self._transaction.tell(kind, at, state=state, actor=actor, reason=reason, worker=worker)
