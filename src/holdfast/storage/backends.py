"""Chooses the backend of a database URL; third-party stores register by entry point.

A backend is found by the scheme of the URL: ours in the table below, others by the entry point group `holdfast.stores`,
whose names are schemes. Its code is imported when its URL is used, so only the driver of that database is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Literal, Protocol, cast

from holdfast.core.errors import ConfigurationError, Problem, missing_driver
from holdfast.core.retention import Retention
from holdfast.storage.protocol import Store

GROUP: Final = "holdfast.stores"

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,29}", re.IGNORECASE)

OURS: Final = {
    "sqlite": "holdfast.storage.sqlite.backend",
    "postgresql": "holdfast.storage.postgres.backend",
    "postgres": "holdfast.storage.postgres.backend",
    "mysql": "holdfast.storage.mysql.backend",
    "mariadb": "holdfast.storage.mysql.backend",
}
"""The module of each scheme; its `KIND` is the kind."""

EXTRAS: Final = {"postgresql": "postgres", "postgres": "postgres", "mysql": "mysql", "mariadb": "mysql"}
"""Which extra of the package brings the driver of a scheme."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What the settings say to every store."""

    durability: Literal["full", "normal"] = "full"
    retention: Retention = field(default_factory=Retention)
    group_access: bool = False
    """Whether files that the store keeps are open to their group."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where the schema of a database stands. `applied` above `known`: a newer program has brought it up to date; this one
    works on it all the same unless it `needs` more."""

    place: str
    exists: bool
    applied: int
    known: int
    pending: tuple[str, ...]
    bytes: int
    needs: int = 0

    @property
    def usable(self) -> bool:
        """Whether this program can work on it as it is."""
        return self.exists and self.needs <= self.known <= self.applied


class Care(Protocol):
    """A database looked at, checked and copied as it is, without being opened as a store. Creates and changes nothing."""

    place: str
    """The database in words: a path, or a URL without its password."""

    def status(self) -> SchemaStatus:
        """Where the schema stands. Raises StorageUnavailable when the database cannot be read."""
        ...

    def check(self) -> list[str]:
        """What is wrong with the database, a line each; [] = sound. Raises NotFound without a database."""
        ...

    def backup(self, target: Path) -> int:
        """Copy the database, as it is at one moment, to a new file while others work on it; answers the size in bytes.

        Raises Conflict when `target` exists, NotFound without a database, or where the kind has no such copy."""
        ...


class Kind(Protocol):
    """A kind of database."""

    label: str
    """Its name as people write it."""

    def store(self, url: str, options: StoreOptions) -> Store:
        """The store that `url` names, not opened yet. Raises ConfigurationError for a URL of the wrong shape; its words show
        no password."""
        ...

    def care(self, url: str) -> Care:
        """Care for the database that `url` names."""
        ...


def kind_of(url: str) -> Kind:
    """The kind of database that a URL names. Raises ConfigurationError where there is none, or its driver is missing."""
    scheme, mark, _ = url.partition("://")
    if not mark:
        raise _refused("a text without ://")
    if scheme in OURS:
        return _ours(scheme)
    for found in entry_points(group=GROUP, name=scheme):
        return cast(Kind, found.load())
    # only the scheme, where it may be one: what stands anywhere else may be a password
    raise _refused(
        f"{scheme}://…" if _SCHEME.fullmatch(scheme) else "a text that does not begin with a scheme"
    )


def _ours(scheme: str) -> Kind:
    try:
        return cast(Kind, import_module(OURS[scheme]).KIND)
    except ImportError as error:
        if scheme not in EXTRAS or (error.name or "").startswith("holdfast"):
            raise
        raise missing_driver("database_url", scheme, EXTRAS[scheme], error) from None


def _refused(shown: str) -> ConfigurationError:
    known = "sqlite:///path, postgresql://user@host/database or mysql://user@host/database"
    return ConfigurationError(
        [Problem(("database_url",), f"not a database that is known: {shown}; use {known}")]
    )
