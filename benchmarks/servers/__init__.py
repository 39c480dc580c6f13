"""The database servers that scenarios measure on: every contestant gets a database of its own on the same
server with the same settings."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class ServerUnavailable(Exception):
    """The server cannot be used here; the text says why. Contestants that need it are named as skipped."""


@dataclass(frozen=True)
class Database:
    """An empty database for one measurement (or a copy of a prepared one), gone after it.

    `server_pid` is the server's first process, for its CPU time; 0 where the server is not ours.
    """

    url: str
    name: str
    server_pid: int = 0


class Server(Protocol):
    """A database server of a run."""

    def ensure(self) -> None:
        """Start it or find it; raises ServerUnavailable. A second call costs nothing."""
        ...

    def database(self, copy_of: Database | None = None) -> AbstractContextManager[Database]:
        """A new database, dropped on leaving. Dirty pages of the one before are written first, so none pays for another.

        `copy_of` makes it a copy of that database, file by file, with its statistics; no client may be connected to it.
        """
        ...

    def describe(self) -> str:
        """Version and the settings that decide about durability and speed, in one line."""
        ...
