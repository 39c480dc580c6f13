"""Decides whether a program may work on a schema that is newer or older than itself.

A schema's version is the number of its applied migrations. They only add, so that a program that knows fewer continues to
work, and may be started again. A migration that does take something away says so in its script: it raises `needs` in the
table `meta`, the least number of migrations that a program must know.
"""

from __future__ import annotations

from typing import NamedTuple

from holdfast.core.errors import StorageRefused


class Standing(NamedTuple):
    """Where a schema stands: migrations it has seen, and how many a program must know to work on it."""

    applied: int
    needs: int


def refuse_unknown(standing: Standing, known: int) -> None:
    """Raise StorageRefused for a schema that a program which knows so many migrations cannot work on."""
    if standing.needs > known:
        raise StorageRefused(
            f"The database has schema {standing.applied} and needs a program that knows {standing.needs}; this one knows "
            f"{known}: a newer Holdfast has brought it up to date. Upgrade this program."
        )
