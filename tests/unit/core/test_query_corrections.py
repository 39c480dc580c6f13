"""A search that cannot be read is reported with its place and the likely correction."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdfast.core.query import Correction, QueryError, UnreadableQuery, parse

NOW = datetime(2026, 11, 19, 16, 3, 22, tzinfo=UTC)


def unreadable(text: str) -> UnreadableQuery:
    with pytest.raises(QueryError) as caught:
        parse(text, now=NOW)
    return UnreadableQuery(caught.value, text)


@pytest.mark.parametrize(
    ("text", "detail", "corrected"),
    [
        (
            "type:import_* stat:failed created:>24h",
            "There is no field stat (characters 15–18). Did you mean state:failed?",
            "type:import_* state:failed created:>24h",
        ),
        (
            "(-stat:failed)",
            "There is no field stat (characters 3–6). Did you mean -state:failed?",
            "(-state:failed)",
        ),
        (
            'tpye:"a b" x',
            'There is no field tpye (characters 1–4). Did you mean type:"a b"?',
            'type:"a b" x',
        ),
        (
            "state:paused,faild x",
            "There is no state faild (characters 14–18). Did you mean state:paused,failed?",
            "state:paused,failed x",
        ),
    ],
)
def test_the_correction_is_the_whole_term_and_can_be_read(text: str, detail: str, corrected: str) -> None:
    error = unreadable(text)
    assert error.detail == detail
    assert error.correction is not None
    assert error.correction.text == corrected
    parse(corrected, now=NOW)


def test_what_has_no_likely_correction_has_none() -> None:
    error = unreadable("a)")
    assert error.correction is None
    assert error.detail == "This parenthesis closes nothing (character 2)."
    assert unreadable("größe:5").correction == Correction('"größe:5"', '"größe:5"')
