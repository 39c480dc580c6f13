"""A field that does not exist is never taken for words to look for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdfast.core.query import QueryError, parse

NOW = datetime(2026, 11, 19, 16, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "place", "suggestion"),
    [
        ("statse:failed", "statse", "state"),
        ("STATSE:failed", "STATSE", "state"),
        ("paused_by:ann", "paused_by", "paused-by"),
        ("queue.x:mail", "queue.x", "queue"),
        ("arg.n:5", "arg.n", "args"),
        ("größe:5", "größe:5", '"größe:5"'),
        ("_x:5", "_x:5", '"_x:5"'),
        ("9lives:5", "9lives:5", '"9lives:5"'),
        ("plain foo/bar:1", "foo/bar:1", '"foo/bar:1"'),
        ("state :failed", ":failed", '":failed"'),
        ("-zzz.y:1", "zzz.y:1", '"zzz.y:1"'),
    ],
)
def test_an_unknown_field_is_refused_in_every_spelling(text: str, place: str, suggestion: str) -> None:
    with pytest.raises(QueryError, match="There is no field") as caught:
        parse(text, now=NOW)
    error = caught.value
    assert text[error.start : error.end] == place
    assert error.suggestion == suggestion
