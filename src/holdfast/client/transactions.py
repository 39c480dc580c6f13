"""Inserts jobs in the caller's own transaction (`tx=`), on the caller's connection."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.errors import StorageRefused
from holdfast.core.job import Inserted, NewJob
from holdfast.runtime.signals import Signals, ToldAtCommit
from holdfast.storage.gateway import Gateway
from holdfast.storage.joining import CreateLanes, Joining
from holdfast.storage.writes import Insert


class Transactions:
    """Stores jobs on the connections of callers, where the store supports it."""

    def __init__(self, store: object, gateway: Gateway, signals: Signals) -> None:
        self._store = store
        self._gateway = gateway
        self._channels = signals.channels(Insert.topics) if isinstance(signals, ToldAtCommit) else []

    def insert(self, tx: object, jobs: Sequence[NewJob]) -> list[Inserted]:
        """Raises as `Joining.insert_joined`; StorageRefused where the store has no transactions to share."""
        store = self._joining()
        if not store.lanes_exist(jobs):
            self._gateway.run(CreateLanes(jobs))
        return store.insert_joined(tx, jobs, channels=self._channels)

    async def insert_async(self, tx: object, jobs: Sequence[NewJob]) -> list[Inserted]:
        """`insert` on an asynchronous connection."""
        store = self._joining()
        if not store.lanes_exist(jobs):
            await self._gateway.run_async(CreateLanes(jobs))
        return await store.insert_joined_async(tx, jobs, channels=self._channels)

    def _joining(self) -> Joining:
        if isinstance(self._store, Joining):
            return self._store
        scheme = getattr(self._store, "scheme", type(self._store).__name__)
        raise StorageRefused(
            f"tx= needs a store on the PostgreSQL server that holds your own tables; this app's store is {scheme}. "
            "Enqueue after your commit, with an idempotency key, so that it may be repeated."
        )
