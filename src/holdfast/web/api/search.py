"""Joins the filters of a URL (`state=`, `tag=` …) and its search text into one search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query as Parameter

from holdfast.client.jobs import Jobs
from holdfast.core.errors import InvalidQuery, Problem
from holdfast.core.query import STATES, Query, QueryError, term
from holdfast.web.api.shapes import MAX_REPEATED, MAX_VALUES, SEARCH, STATE, VALUE

_EXACT = "Exact values; a comma list or repeated: any of them. A value with a comma goes in quotes"
Values = Annotated[
    list[str] | None,
    Parameter(description=_EXACT, max_length=MAX_REPEATED, json_schema_extra={"items": VALUE}),
]
States = Annotated[
    list[str] | None,
    Parameter(description=_EXACT, max_length=MAX_REPEATED, json_schema_extra={"items": STATE}),
]
_PART = re.compile(r'(?:\s*"((?:[^"\\]|\\.)*)"\s*|([^,]*)),', re.DOTALL)
"""A value of a comma list and the comma after it. A value with a comma in it is written in quotes, as in a search."""

_ESCAPE = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter that the query string of a request describes."""

    q: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]

    def query(self, jobs: Jobs) -> Query:
        """The search of this filter, with relative times as of now. Raises InvalidQuery with the parameter and the place."""
        query = jobs.query(self.q)
        for field, values in self.fields:
            query = jobs.query(query.with_term(_any_of(field, values)))
        return query


def filter_of(
    q: Annotated[
        str,
        Parameter(
            description="Search text, for example: state:failed type:report.* created:>2h",
            json_schema_extra=SEARCH,
        ),
    ] = "",
    state: States = None,
    type: Values = None,
    queue: Values = None,
    owner: Values = None,
    tag: Annotated[
        list[str] | None,
        Parameter(
            description="A comma list: any of them; repeated: all of them",
            max_length=MAX_REPEATED,
            json_schema_extra={"items": VALUE},
        ),
    ] = None,
) -> Filter:
    """Dependency: the filter of a request."""
    any_of = (("state", state), ("type", type), ("queue", queue), ("owner", owner))
    fields = [(name, _split(name, values)) for name, values in any_of if values]
    fields += [("tag", _split("tag", (one,))) for one in tag or ()]
    if sum(len(values) for _, values in fields) > MAX_VALUES:
        reason = f"at most {MAX_VALUES} values in one filter"
        raise InvalidQuery(reason, [Problem(("query",), reason)])
    return Filter(q, tuple(fields))


def _split(field: str, values: Sequence[str]) -> tuple[str, ...]:
    """The values of a parameter. A missing one is an error, since it must not turn the filter into none."""
    found: list[str] = []
    for value in values:
        rest = f"{value},"
        while rest:
            part = _PART.match(rest)
            assert part is not None  # every part of the list ends with a comma
            found.append(part[2].strip() if part[1] is None else _ESCAPE.sub(r"\1", part[1]))
            rest = rest[part.end() :]
    if not all(found):
        reason = "a value is missing; leave the parameter out to match all"
        raise InvalidQuery(f"{field}: {reason}", [Problem((field,), reason)])
    return tuple(found)


def _any_of(field: str, values: Sequence[str]) -> str:
    unknown = [value for value in values if field == "state" and value.lower() not in STATES]
    if unknown:
        reason = f"{unknown[0][:60]!r} is no state; states are {', '.join(STATES)}"
        raise InvalidQuery(f"state: {reason}", [Problem(("state",), reason)])
    try:
        terms = [term(field, value) for value in values]
    except QueryError as error:
        raise InvalidQuery(f"{field}: {error.message}", [Problem((field,), error.message)]) from None
    return f"{field}:" + ",".join(one.removeprefix(f"{field}:") for one in terms)
