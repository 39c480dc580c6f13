"""What a store may offer beside its verbs: enqueueing in a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from holdfast.core.job import Inserted, NewJob


@runtime_checkable
class Joining(Protocol):
    """What a store may offer beside its verbs: jobs stored in an open transaction of the caller's, on its own connection to
    the same database. Only the caller commits or rolls back; the feed tells of the jobs when it commits, not before."""

    def is_ready(self, jobs: Sequence[NewJob]) -> bool:
        """Whether such jobs can be joined; if not, `make_ready` comes first."""
        ...

    def make_ready(self, jobs: Sequence[NewJob]) -> None:
        """A writing verb: store what such jobs share with others, so that nobody has to wait for the caller's commit."""
        ...

    def insert_joined(
        self, connection: object, jobs: Sequence[NewJob], *, channels: Sequence[str] = ()
    ) -> list[Inserted]:
        """`insert` on a connection that blocks; `channels` of the database's own signals are told at the commit.

        Raises TypeError for what is no such connection, ValueError where no transaction is open, StorageRefused for a
        connection to another database, StorageUnavailable for a sealed store, else what the connection raises."""
        ...

    async def insert_joined_async(
        self, connection: object, jobs: Sequence[NewJob], *, channels: Sequence[str] = ()
    ) -> list[Inserted]:
        """The same on a connection that is awaited."""
        ...
