"""The backend of `sqlite:///path`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.urls import sqlite_path
from holdfast.storage.backends import StoreOptions
from holdfast.storage.sqlite.admin import Maintenance
from holdfast.storage.sqlite.store import SqliteStore


class SqliteKind:
    """One file, no server."""

    label = "SQLite"

    def store(self, url: str, options: StoreOptions) -> SqliteStore:
        """The store in the file."""
        return SqliteStore(
            path_of(url),
            durability=options.durability,
            retention=options.retention,
            group_access=options.group_access,
        )

    def care(self, url: str) -> Maintenance:
        """Care for the file."""
        return Maintenance(path_of(url))


def path_of(url: str) -> Path:
    """The file that a URL names, as an absolute path. Raises ConfigurationError for anything but sqlite:///path."""
    path = sqlite_path(url)
    if path is None:
        raise ConfigurationError([Problem(("database_url",), "names no file; use sqlite:///path")])
    return Path(path).absolute()  # once and for all: a job may change the folder of its process


KIND: Final = SqliteKind()
