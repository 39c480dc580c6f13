"""What a store raises for the gateway and the client to repeat."""

from __future__ import annotations

from holdfast.core.errors import HoldfastError, StorageUnavailable


class Contended(StorageUnavailable):
    """The database gave this transaction up for others (a deadlock, a lock held too long): rolled back, to be run again."""


class CommitUnknown(StorageUnavailable):
    """The connection was lost during a commit, so whether the call was stored is not known. The client repeats an insert
    with the same ids for a while, which stores nothing twice."""

    def __init__(self) -> None:
        super().__init__(
            "The connection to the database was lost during a commit, so whether the call was stored is not known. "
            "Repeat it; what is enqueued again without an idempotency_key may then be there twice."
        )


class KeyPending(HoldfastError):
    """A foreign transaction that has not ended yet holds the key of a job, so whether there will be such a job is not known.
    Nothing was stored. The client repeats the insert later: a wait inside the write transaction would block all writers."""
