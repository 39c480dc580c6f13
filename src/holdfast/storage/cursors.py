"""The sort orders of lists, and opaque cursors bound to one search."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from holdfast.core.errors import InvalidInput, Problem

_LARGEST_TIME = 4 * 10**18


def time_of(column: str) -> str:
    """A time that can be subtracted from another; NULL for one so far away that the difference is no 64-bit number, which
    servers answer by refusing the whole statement."""
    return f"(CASE WHEN {column} BETWEEN -{_LARGEST_TIME} AND {_LARGEST_TIME} THEN {column} END)"


DURATION = f"({time_of('jobs.finished_at')} - {time_of('jobs.started_at')})"

SORTS = {
    "created": None,
    "run_at": "jobs.run_at",
    "finished": "jobs.finished_at",
    "duration": DURATION,
    "priority": "jobs.priority",
}
"""What a list can be sorted by; "-" before it turns it round. `created` is the order of `seq`, which also breaks ties."""

MAX_CURSOR = 1_000
_INTEGER = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Sort:
    """An order. Jobs without a value come last, whichever way round. `key` None: by `seq` alone."""

    name: str
    key: str | None
    descending: bool


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two jobs of a list: just beyond the one with this key and `seq`, looking on or `back`.

    `seq` None stands before the first. Of the jobs with `low` < seq < `high` only is the list made (None = no bound).
    """

    seq: int | None = None
    key: int | None = None
    back: bool = False
    low: int | None = None
    high: int | None = None


def read_sort(sort: str) -> Sort:
    """The order of that name. Raises InvalidInput."""
    name = sort.removeprefix("-")
    if name not in SORTS:
        message = f"Jobs cannot be sorted by {name[:40]!r}; there is {', '.join(SORTS)}, each also with a minus before it"
        raise InvalidInput(message, [Problem(("sort",), message)])
    return Sort(name, SORTS[name], sort.startswith("-"))


def write_cursor(position: Position, *, sort: str, text: str) -> str:
    """The position as an opaque text, good for this search only."""
    fields = [position.seq, position.key, int(position.back), position.low, position.high]
    body = json.dumps([_check(fields, sort, text), *fields], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def read_cursor(cursor: str, *, sort: str, text: str) -> Position:
    """The position that `write_cursor` wrote for the same search. Raises InvalidInput for any other text."""
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        body: Any = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        check, seq, key, back, low, high = body
        fields = [seq, key, back, low, high]
        if not all(
            field is None or (type(field) is int and field in _INTEGER) for field in fields
        ) or back not in (0, 1):
            raise ValueError
        if check != _check(fields, sort, text):
            raise ValueError
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        message = "This cursor is not from this search; begin at the first page"
        raise InvalidInput(message, [Problem(("cursor",), message)]) from error
    return Position(seq, key, back == 1, low, high)


def _check(fields: list[int | None], sort: str, text: str) -> str:
    bound = json.dumps([fields, sort, text])
    return blake2b(bound.encode(), digest_size=6).hexdigest()
