"""The message about a search that cannot be parsed: where the mistake is, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from holdfast.core.errors import InvalidQuery, Problem
from holdfast.core.query.errors import QueryError

TERM: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*(?:"|\Z)|[^\s()"])+')
"""A term of a search, also where its quotes are still open."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The search with one mistake corrected. `term`: the term that was wrong, as it should be; `text`: all of the search."""

    term: str
    text: str


class UnreadableQuery(InvalidQuery):
    """A search that cannot be read. `start` and `end` are the span of the mistake, `correction` is None where there is no
    likely one."""

    def __init__(self, error: QueryError, text: str) -> None:
        self.message = error.message
        self.start, self.end = error.start, error.end
        self.place = _place(error.start, error.end)
        self.correction = correction_of(text, error)
        hint = f" Did you mean {self.correction.term}?" if self.correction else ""
        super().__init__(
            f"{self.message} ({self.place}).{hint}", [Problem(("q", error.start, error.end), error.message)]
        )


def correction_of(text: str, error: QueryError) -> Correction | None:
    """The likely correction of a search that `error` was raised for."""
    if error.suggestion is None:
        return None
    corrected = text[: error.start] + error.suggestion + text[error.end :]
    around = (match for match in TERM.finditer(corrected) if match.start() <= error.start < match.end())
    term = next(around, None)
    return Correction(term[0] if term else error.suggestion, corrected)


def _place(start: int, end: int) -> str:
    """The span as people count, from one."""
    return f"characters {start + 1:,}–{end:,}" if end - start > 1 else f"character {start + 1:,}"
