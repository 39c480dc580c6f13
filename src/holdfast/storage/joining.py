"""What a store may offer beside its verbs: jobs inserted in a transaction of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from holdfast.core.job import Inserted, NewJob
from holdfast.storage.protocol import Writer
from holdfast.storage.writes import Write


@runtime_checkable
class Joining(Protocol):
    """Jobs inserted in an open transaction of the caller, on its own connection to the same database. Only the caller
    commits or rolls back; the feed reports the jobs when it commits, not before."""

    def lanes_exist(self, jobs: Sequence[NewJob]) -> bool:
        """Whether such jobs can be joined; if not, `create_lanes` comes first."""
        ...

    def create_lanes(self, jobs: Sequence[NewJob]) -> None:
        """A write verb: store what such jobs share with others, so that no one has to wait for the caller's commit."""
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


@dataclass(frozen=True, slots=True)
class CreateLanes(Write[None]):
    """See `Joining.create_lanes`; for a store that is one."""

    jobs: Sequence[NewJob]

    def run(self, store: Writer) -> None:
        cast(Joining, store).create_lanes(self.jobs)
