"""A search that cannot be read is reported with its place and the likely correction; what is being written is completed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdfast.core.query import Correction, QueryError, UnreadableQuery, parse
from holdfast.core.query.completion import Place, completing, fields_completing, place_at
from holdfast.core.query.fields import FIELDS

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


@pytest.mark.parametrize(
    ("text", "field", "word", "replaced"),
    [
        ("|", None, "", ""),
        ("st|", None, "st", "st"),
        ("st|at:failed", None, "st", "stat:"),
        ("type:x -qu|", None, "qu", "qu"),
        ("(qu|", None, "qu", "qu"),
        ("queue:|", "queue", "", ""),
        ("-QUEUE:por|t x", "queue", "por", "port"),
        ("state:failed,pa| x", "state", "pa", "pa"),
        ('type:"a b" state:f|', "state", "f", "f"),
    ],
)
def test_the_place_is_a_field_or_a_value(text: str, field: str | None, word: str, replaced: str) -> None:
    caret, text = text.index("|"), text.replace("|", "")
    place = place_at(text, caret)
    assert place is not None
    assert (place.field and place.field.name, place.word) == (field, word)
    assert text[place.start : place.end] == replaced


@pytest.mark.parametrize("text", ['type:"a b|', '"st|', "stat:f|", "args.n:5|", "10.0|", "größ|"])
def test_nothing_is_completed_within_quotes_and_in_what_is_no_field(text: str) -> None:
    assert place_at(text.replace("|", ""), text.index("|")) is None


def test_a_caret_beyond_the_text_is_at_its_end() -> None:
    assert place_at("ty", 99) == Place(None, "ty", 0, 2)
    assert place_at("ty", -1) == Place(None, "", 0, 3 - 1)


def test_a_word_matches_anywhere_and_first_at_the_beginning() -> None:
    assert completing(["re.ports", "imports", "Ports", "mail"], "port") == ["Ports", "re.ports", "imports"]
    assert [field.name for field in fields_completing("stat")] == ["state"]
    assert [field.name for field in fields_completing("quue")] == ["queue"]
    assert [field.name for field in fields_completing("")] == list(FIELDS)
    assert fields_completing("zzz") == []
