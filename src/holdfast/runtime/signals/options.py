"""What the maker of signals may need, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.urls import split_url
from holdfast.storage.protocol import Reader


@dataclass(frozen=True, slots=True)
class SignalOptions:
    """What every kind of signals is given beside its URL."""

    namespace: str
    """Sets the signals of one installation apart from those of others on the same broker: letters, digits, `_` and `-`."""

    reader: Reader
    """The store, for signals that look at it. It is open, and is closed after the signals."""

    own: bool = False
    """Whether these are the signals that the database itself brings along."""

    group_access: bool = False
    """Whether files by which processes wake each other are open to their group."""


def place_of(url: str) -> str:
    """Where a URL leads, without user and password."""
    parts = split_url(url)
    return parts.hosts + parts.path.rstrip("/")
