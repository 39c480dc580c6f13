"""Verbs that copy a store, row by row, while nothing is written to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdfast.core.dump import Key, Part, Row, Seal


class CopyWrites(Protocol):
    """The read-only lock, and the rows of another store."""

    def seal(self, seal: Seal | None) -> None:
        """Make the store read-only. Once this is committed, no other transaction of any process can be committed, not even
        one that began before; reading continues. None removes the lock. Only in a transaction with `sealed`."""
        ...

    def load(self, part: Part, rows: Sequence[Row]) -> int:
        """Store rows of another store (`CopyReads.dump`) as they are, in a transaction with `sealed`. Returns how many were
        not there yet. A row whose key exists is left alone, so that a repeat is harmless.

        JOBS come first: they bring their tags, and no history but what HISTORY brings. What is added later is numbered
        above all loaded keys. Loaded history is not aggregated again: BUCKETS hold it. A job that is *processing* belongs to
        a worker that is not here, so it is rescued next."""
        ...


class CopyReads(Protocol):
    """The rows of this store."""

    def sealed(self) -> Seal | None:
        """The read-only lock of this store."""
        ...

    def dump(self, part: Part, *, after: Key | None, limit: int) -> Sequence[Row]:
        """Up to `limit` rows of a part with a key above `after` (None: from the first), in the order of their keys, so that
        `load` can store them elsewhere. Steady only while the store is read-only (`CopyWrites.seal`)."""
        ...
