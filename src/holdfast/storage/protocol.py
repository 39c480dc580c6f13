"""The protocol of a store: the sum of its verbs, with the rules that hold for all of them.

The kit in `holdfast.testing.conformance` checks these rules for every backend:

* Write verbs run on the one writing connection, inside the transaction that the gateway has opened; they commit nothing.
  A verb that raises must leave its transaction fit to be rolled back.
* Every change of a job is one guarded statement; a guard that does not match is the normal result LOST, or a Conflict.
* Each change of state or request leaves a history row and an event in the same transaction. Of a long history the first
  row and the MAX_HISTORY newest are kept: `settle` removes the others at the end of every HISTORY_CLAIMS-th claim,
  `command` and `command_all` when there are HISTORY_CLAIMS too many.
* Read verbs may be called from any thread at any time, see only committed facts, and never block a writer.
* Times are microseconds since the epoch by the store's clock (`now()`).
* A database that cannot be reached or cannot write raises StorageUnavailable; nothing of that transaction is stored.
* A transaction that was only in the way of others, or that was ended by the database for standing still, raises
  Contended, and is run again from its beginning. Lock waits are short: everything of the process waits meanwhile.
* The history of a job never goes back in time, also when the clock was set back.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from holdfast.storage.verbs.attempts import AttemptReads, AttemptWrites
from holdfast.storage.verbs.copying import CopyReads, CopyWrites
from holdfast.storage.verbs.events import EventReads
from holdfast.storage.verbs.jobs import JobReads, JobWrites
from holdfast.storage.verbs.leases import LeaseReads, LeaseWrites
from holdfast.storage.verbs.maintenance import MaintenanceReads, MaintenanceWrites
from holdfast.storage.verbs.queues import QueueReads, QueueWrites
from holdfast.storage.verbs.search import SearchReads
from holdfast.storage.verbs.workers import WorkerReads, WorkerWrites


class Writer(
    JobWrites,
    AttemptWrites,
    WorkerWrites,
    QueueWrites,
    LeaseWrites,
    MaintenanceWrites,
    CopyWrites,
    Protocol,
):
    """Verbs that change something; called by the gateway only (`holdfast.storage.writes`)."""

    def transaction(self, *, sealed: bool = False) -> AbstractContextManager[None]:
        """BEGIN … COMMIT around the body, ROLLBACK when it raises. Durable, at the configured level, when it returns.

        Raises StorageUnavailable with the message of the seal, and stores nothing, when the store is sealed (see `seal`),
        unless `sealed` says that this is meant."""
        ...


class Reader(
    JobReads,
    AttemptReads,
    WorkerReads,
    QueueReads,
    LeaseReads,
    EventReads,
    SearchReads,
    MaintenanceReads,
    CopyReads,
    Protocol,
):
    """Verbs that only read. Any thread."""

    def now(self) -> int:
        """The store's clock."""
        ...


class Store(Writer, Reader, Protocol):
    """A database that keeps the facts of Holdfast."""

    scheme: str
    """What the URL begins with, for example "sqlite"."""

    def open(self) -> None:
        """Connect, bring the schema up to date, refuse what cannot be used (StorageRefused). Idempotent."""
        ...

    def close(self) -> None:
        """Close every connection. Idempotent."""
        ...

    def ping(self) -> None:
        """Raise StorageUnavailable when the database does not respond."""
        ...

    def info(self) -> dict[str, str | int]:
        """What `holdfast doctor` prints about it: `place`, `durability`, `bytes`, and whatever else a person may ask."""
        ...
