"""The backend of `postgresql://…`."""

from __future__ import annotations

from typing import Final

from holdfast.storage.backends import StoreOptions
from holdfast.storage.postgres.admin import PostgresCare
from holdfast.storage.postgres.connection import read_url
from holdfast.storage.postgres.store import PostgresStore


class PostgresKind:
    """A server for any number of hosts; version 14 or newer."""

    label = "PostgreSQL"

    def store(self, url: str, options: StoreOptions) -> PostgresStore:
        """The store in the schema."""
        return PostgresStore(read_url(url), durability=options.durability, retention=options.retention)

    def care(self, url: str) -> PostgresCare:
        """Care for the schema."""
        return PostgresCare(read_url(url))


KIND: Final = PostgresKind()
