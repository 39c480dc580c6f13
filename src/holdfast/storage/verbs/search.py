"""Verbs that find and count jobs."""

from __future__ import annotations

from typing import Protocol

from holdfast.core.query import Query
from holdfast.core.records import Count, Page


class SearchReads(Protocol):
    """The query language, answered by the store."""

    def search(self, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
        """Jobs that match, in the order of `sort` (a key of SORTS, "-" before it = descending), by key after `cursor`.

        Raises InvalidInput for an unknown sort or a cursor that is not from this search."""
        ...

    def count(self, query: Query, *, cap: int) -> Count:
        """How many jobs match, counted up to `cap`."""
        ...

    def count_by_state(self, query: Query, *, cap: int) -> dict[str, Count]:
        """The same for each state, and for "retrying" (scheduled with reason retry), without the query's own state term."""
        ...
