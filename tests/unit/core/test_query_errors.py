"""Every text that is no search is refused with its place, and nothing else ever comes out of the parser."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput
from holdfast.core.query import (
    FIELDS,
    MAX_CHARS,
    MAX_DEPTH,
    MAX_TERMS,
    STATES,
    Query,
    QueryError,
    Text,
    link_term,
    parse,
    term,
)
from holdfast.core.sizes import check_name

NOW = datetime(2026, 11, 19, 16, 3, 22, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def ask(text: str, **options: Any) -> Query:
    return parse(text, **{"now": NOW, "zone": BERLIN, "me": "ann", **options})


def refused(text: str, **options: Any) -> QueryError:
    with pytest.raises(QueryError) as caught:
        ask(text, **options)
    error = caught.value
    assert str(error) == error.message != ""
    assert 0 <= error.start <= error.end <= len(text)
    return error


@pytest.mark.parametrize(
    ("text", "marked", "suggestion"),
    [
        ("queue:mail stat:failed", "stat", "state"),
        ("Ownr:ann", "Ownr", "owner"),
        ("paused_by:ana", "paused_by", "paused-by"),
        ("http://example.com", "http", None),
        ("state:faild", "faild", "failed"),
        ("state:failed,qeued", "qeued", "queued"),
        ("state:xyzzy", "xyzzy", None),
        ("state:*", "*", None),
        ("state:null", "null", None),
        ("state:>failed", ">", None),
        ("args:42", "args:", "args.name:"),
        ("args.:42", "args.", None),
        ("args.a[x]:42", "args.a[", None),
        ('args."a":42', "args.", None),
        ('args["a b"]', 'args["a b"]', None),
        ("args.a:>true", "true", '"true"'),
        ("args.a:>null", "null", '"null"'),
        ("args.a:>x*", "x*", '"x*"'),
        ("args.a:~x*", "x*", '"x*"'),
        ("args.a:>1,2", "2", None),
        ("args.a:>1..2", ">", None),
        ("args.a:5..1", "5..1", None),
        ("args.a:99999999999999999999", "9" * 20, None),
        ("args.a:9223372036854775808", "9223372036854775808", None),
        ("args.a:-9223372036854775809", "-9223372036854775809", None),
        ("args.a:1e999", "1e999", None),
        ("type:>a", ">", None),
        ("type:~a", "~", None),
        ("type:=>a", ">a", None),
        ("type:", "", None),
        ("type: a", " ", None),
        ("type:a,", "", None),
        ("type:,a", ",", None),
        ('type:a"b"', '"', None),
        ("type:f(x)", "(", None),
        ('"a"b', "b", None),
        ('say "hello', '"hello', None),
        ("error:#", "#", None),
        ("error:#a-b", "#a-b", None),
        ('error:" "', '" "', None),
        ("attempt:two", "two", None),
        ("attempt:1.5", "1.5", None),
        ("attempt:5..1", "5..1", None),
        ("attempt:>1..5", ">", None),
        ("attempt:1..", "", None),
        ("attempt:1..*", "*", None),
        ("attempt:>*", "*", None),
        ("attempt:>1,2", "2", None),
        ("attempt:1..5,7", ",", None),
        ("attempt:٣", "٣", None),
        ("priority:" + "9" * 1900, "9" * 1900, None),
        ("progress:%", "%", None),
        ("duration:>fast", "fast", None),
        ("duration:>-1s", "-1s", None),
        ("duration:>1_0", "1_0", None),
        ("duration:>999999d", "999999d", None),
        ("created:2h", "2h", ">2h"),
        ("created:soon", "soon", None),
        ("created:>5", "5", None),
        ("created:1h..2h", "1h..2h", None),
        ("created:today..yesterday", "today..yesterday", None),
        ("created:2026-02-30", "2026-02-30", None),
        ("created:2026-13-01", "2026-13-01", None),
        ("created:0001-01-01", "0001-01-01", None),
        ("created:9999-12-31", "9999-12-31", None),
        ("created:2026-01-01x", "2026-01-01x", None),
        ("created:2026-01-01T25:00", "2026-01-01T25:00", None),
        ("created:2026-01-01T10:00+24:00", "2026-01-01T10:00+24:00", None),
        ("created:2026-01-01T10:00:00Zz", "2026-01-01T10:00:00Zz", None),
        ("inv*", "inv*", "type:inv*"),
        ('""', '""', None),
        ("a AND", "", None),
        ("OR a", "OR", '"OR"'),
        ("a OR OR b", "OR", '"OR"'),
        ("a OR", "", None),
        ("NOT", "", None),
        ("NOT NOT a", "NOT", '"NOT"'),
        ("--a", "-", None),
        ("a - b", "-", None),
        ("()", ")", None),
        ("(a", "(", None),
        ("a)", ")", None),
        ("a\nb", "\n", None),
        ("a\x00b", "\x00", None),
        ("a\ud800b", "\ud800", None),
        ("a\x9bb", "\x9b", None),
    ],
)
def test_a_mistake_is_marked_and_the_nearest_way_proposed(
    text: str, marked: str, suggestion: str | None
) -> None:
    error = refused(text)
    assert text[error.start : error.end] == marked
    assert error.suggestion == suggestion


def test_the_second_of_two_equal_mistakes_is_not_the_one_marked() -> None:
    assert refused("a OR OR b").start == 5
    assert refused("--a").start == 1


@pytest.mark.parametrize(
    "text", ["state:faild", "created:2h", "args.a:>true", "inv*", "stat:failed", "NOT OR", "args:1"]
)
def test_what_is_proposed_can_be_read(text: str) -> None:
    error = refused(text)
    assert error.suggestion is not None
    assert ask(text[: error.start] + error.suggestion + text[error.end :])


def test_owner_me_needs_a_signed_in_user() -> None:
    error = refused("type:a owner:ann,me", me=None)
    assert (error.start, error.end, error.suggestion) == (17, 19, '"me"')
    assert ask('owner:"me"', me=None).root == ask('owner:"me"').root


def test_at_most_2000_characters() -> None:
    assert ask("a" * MAX_CHARS).text == "a" * MAX_CHARS
    error = refused("a" * (MAX_CHARS + 1))
    assert "2,000 characters" in error.message
    assert (error.start, error.end) == (2000, 2001)
    assert "2,000 characters" in refused("(" * 10_000).message
    assert "2,000 characters" in refused("\x00" * 10_000).message


def test_at_most_64_terms_where_each_value_of_a_list_counts() -> None:
    assert len(ask(" ".join(["a"] * MAX_TERMS)).terms()) == 64
    assert "64 terms" in refused(" ".join(["a"] * (MAX_TERMS + 1))).message
    assert ask("id:" + ",".join(["a"] * MAX_TERMS))
    error = refused("id:" + ",".join(["a"] * (MAX_TERMS + 1)))
    assert "64 terms" in error.message
    assert (error.start, error.end) == (3 + 128, 3 + 129)


def test_at_most_8_parentheses_within_each_other() -> None:
    assert ask("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH).text == "a"
    assert ask("(a) " * 20), "side by side they may be many"
    error = refused("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1))
    assert "8 deep" in error.message
    assert (error.start, error.end) == (8, 9)
    assert "8 deep" in refused("-(" * 990).message
    assert "8 deep" in refused("(" * MAX_CHARS).message


def steps(text: str) -> int:
    """How many Python lines the parser needs for a text: a measure of work that no busy machine disturbs."""
    count = 0

    def trace(_frame: object, event: str, _arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        parse(text, now=NOW)
    except QueryError:
        pass
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "unit",
    [
        "a ",
        "-(a ",
        '"\\" ',
        "args.a[0]",
        "type:a,b,",
        "a*",
        "\\",
        "args.a:..",
        "created:1h",
        "[",
        "1d",
        '"" ',
    ],
)
def test_work_grows_no_faster_than_the_text(unit: str) -> None:
    half = MAX_CHARS // 2 // len(unit)
    assert steps(unit * half * 2) <= 2.2 * steps(unit * half) + 400
    assert steps(unit * 10_000) < 50


names = st.sampled_from([*FIELDS, "args.a", "args.a[0].b", 'args["x y"]', "ARGS.é", "stat", "args"])
operators = st.sampled_from(["", "", "", "=", ">", ">=", "<", "<=", "~"])
words = st.one_of(
    st.sampled_from(
        [
            *STATES,
            "me",
            "null",
            "*",
            "a*",
            "*b*c",
            "true",
            "1",
            "-1.5",
            "1e5",
            "1e999",
            "2h",
            "1h30m",
            "today",
            "yesterday",
            "2026-11-01",
            "2026-10-25T02:30",
            "2026-03-29T02:30:00.25Z",
            "9998-12-31",
            "1970-01-01",
            "1..5",
            "2d..1h",
            "yesterday..today",
            "#a1",
            "50%",
            "acct:7",
            "AND",
            "OR",
            "NOT",
            "x(",
            "a\\",
        ]
    ),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=6),
)
quoted = words.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
values = st.one_of(words, quoted)
terms = st.builds(
    lambda name, op, items: f"{name}:{op}{','.join(items)}",
    names,
    operators,
    st.lists(values, min_size=1, max_size=3),
)
atoms = st.one_of(terms, terms, values)
texts = st.recursive(
    atoms,
    lambda inner: st.one_of(
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"NOT {text}"),
        inner.map(lambda text: f"({text})"),
        st.lists(inner, min_size=2, max_size=3).map(" ".join),
        st.lists(inner, min_size=2, max_size=3).map(" AND ".join),
        st.lists(inner, min_size=2, max_size=3).map(" OR ".join),
    ),
    max_leaves=8,
)
sound_values = {
    "state": st.sampled_from([*STATES]),
    "text": quoted | st.sampled_from(["a", "a*", "null", "*", "me", "acct:7"]),
    "error": st.sampled_from(["E", "E*", '"e"', "#a1", '"a \\" b\\\\"', "null"]),
    "time": st.sampled_from(["today", "2026-10-25", "2026-03-29T02:30", '"2026-01-01 10:00"', "*", "2d..1h"]),
    "integer": st.sampled_from(["1", "-2", "1..5", "null"]),
    "percent": st.sampled_from(["1.5", "50%", "1..5"]),
    "duration": st.sampled_from(["1s", "1h30m", "1m..2m"]),
    "args": quoted | st.sampled_from(["1", "x", "1..5", "~1", ">1", "<x", "*", "a*b", "true", "null"]),
}
sound_names = st.sampled_from(["a", '"a b"', "a,b", "a*b", "*", "null", '"null"', '"\\"x"'])
sound_terms = st.sampled_from(list(FIELDS.values())).flatmap(
    lambda field: st.builds(
        lambda path, value: f"{field.name}{path}:{value}",
        st.sampled_from([".a", "[0]", '["x \\" y"].b']) if field.name == "args" else st.just(""),
        sound_names if field.named else sound_values[field.kind.value],
    )
)
sound_texts = st.recursive(
    sound_terms | st.sampled_from(["a", '"a b"', '"OR"', '"\\\\"', "10:30"]),
    lambda inner: st.one_of(
        inner.map(lambda text: f"-({text})"),
        inner.map(lambda text: f"NOT ({text})"),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: f"({' '.join(parts)})"),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: f"({' OR '.join(parts)})"),
    ),
    max_leaves=12,
)


def attempt(text: str) -> Query | QueryError:
    try:
        return ask(text)
    except QueryError as error:
        return error


def check(text: str) -> None:
    """Only a QueryError with a sound span may come; else the canonical text means the same, not longer."""
    query = attempt(text)
    if isinstance(query, QueryError):
        assert 0 <= query.start <= query.end <= len(text)
        assert query.message
        return
    again = ask(query.text)
    assert again == query
    assert repr(again.root) == repr(query.root), "42, 42.0 and true are equal in Python, and different here"
    assert len(query.text) <= len(text)
    parts = query.terms()
    for part in parts:
        assert text[part.start : part.end] == part.text
        assert len(ask(query.without(part)).terms()) < len(parts)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    check(text)


@given(st.text(alphabet='ab1.:*"\\()[]<>=~,-# ORNTD', max_size=60))
def test_any_text_of_the_signs_of_the_language_is_read_or_refused(text: str) -> None:
    check(text)


@given(texts)
def test_any_text_near_the_grammar_is_read_or_refused(text: str) -> None:
    check(text)


@given(sound_texts)
def test_sound_texts_are_read_and_their_canonical_text_means_the_same(text: str) -> None:
    query = attempt(text)
    assert isinstance(query, Query) or "deep" in query.message
    check(text)


@given(sound_texts, sound_terms)
def test_a_term_added_and_taken_away_again_leaves_the_rest(text: str, more: str) -> None:
    query = attempt(text)
    if isinstance(query, Query) and (added := query.with_term(more)) != query.text:
        whole = attempt(added)
        if isinstance(whole, Query):
            assert whole.without(more) == query.text
        elif isinstance(attempt(more), Query):
            assert "deep" in whole.message


@given(st.text(max_size=80))
def test_a_link_to_any_owner_finds_that_owner_or_is_refused(owner: str) -> None:
    try:
        check_name(owner, loc=("owner",))
    except InvalidInput:
        with pytest.raises(QueryError):
            term("owner", owner)
        if owner:
            with pytest.raises(QueryError):
                ask(link_term("owner", owner))
    else:
        assert ask(term("owner", owner)).root == Text("owner", (owner,))
        assert link_term("owner", owner) == term("owner", owner)
