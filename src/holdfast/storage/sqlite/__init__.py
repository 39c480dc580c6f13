"""The embedded store: one file, no server, the same promises."""

from holdfast.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
