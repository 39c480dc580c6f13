"""The error of a search that cannot be read, with its position."""

from __future__ import annotations

from holdfast.core.errors import InvalidQuery, Problem


class QueryError(InvalidQuery, ValueError):
    """The text is not a valid search. No other exception is raised for any text.

    `start` and `end` are the span of the mistake in the text (0 ≤ start ≤ end ≤ length). `suggestion`, where
    there is one, is what to write in place of that span.
    """

    def __init__(self, message: str, start: int, end: int, suggestion: str | None = None) -> None:
        super().__init__(message, [Problem(("q", start, end), message)])
        self.message = message
        self.start = start
        self.end = end
        self.suggestion = suggestion
