"""What may be stored: strict JSON within bounds, and text from outside mended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput, TooLarge
from holdfast.core.sizes import (
    MAX_DEPTH,
    MAX_INT_BITS,
    MAX_NAME,
    check_json_text,
    check_line,
    check_name,
    check_size,
    clean_text,
    cut_middle,
    dump_json,
    load_json,
    middle,
)

LIMIT = 1000


def nested(depth: int) -> Any:
    value: Any = 1
    for n in range(depth):
        value = [value] if n % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "loc"),
    [
        (float("nan"), ("args",)),
        ({"a": [1, float("inf")]}, ("args", "a", 1)),
        ({"a": -float("inf")}, ("args", "a")),
        ("a\x00b", ("args",)),
        ({"a\x00": 1}, ("args",)),
        (["\ud800"], ("args", 0)),
        ({"\udfff": 1}, ("args",)),
        ({1: 2}, ("args",)),
        ({"a": {None: 1}}, ("args", "a")),
        ({"a": {1, 2}}, ("args", "a")),
        (b"bytes", ("args",)),
        (object(), ("args",)),
        (1 << MAX_INT_BITS, ("args",)),
        (-(1 << MAX_INT_BITS), ("args",)),
    ],
)
def test_what_is_not_strict_json_is_refused_with_its_place(value: Any, loc: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        dump_json(value, what="args", limit=10**6)
    assert [problem.loc for problem in caught.value.problems] == [loc]
    assert caught.value.status == 422


def test_depth() -> None:
    assert json.loads(dump_json(nested(MAX_DEPTH), what="args", limit=10**6)) == nested(MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 300, 100_000):
        with pytest.raises(InvalidInput, match="deeper"):
            dump_json(nested(depth), what="args", limit=10**6)


def test_the_largest_number_can_be_read_back() -> None:
    largest = (1 << MAX_INT_BITS) - 1
    assert json.loads(dump_json(largest, what="n", limit=10**6)) == largest


@pytest.mark.parametrize("letter", ["a", "ü", "🦆", '"'])
def test_the_size_is_counted_in_bytes(letter: str) -> None:
    size = len(json.dumps(letter, ensure_ascii=False).encode()) - 2
    fits = (LIMIT - 2) // size
    assert len(dump_json(letter * fits, what="args", limit=LIMIT).encode()) <= LIMIT
    with pytest.raises(TooLarge, match="elsewhere") as caught:
        dump_json(letter * (fits + 1), what="args", limit=LIMIT)
    assert (caught.value.status, caught.value.problems[0].loc) == (413, ("args",))


def test_exactly_at_the_limit() -> None:
    assert check_size("x" * LIMIT, what="result", limit=LIMIT) == "x" * LIMIT
    with pytest.raises(TooLarge):
        check_size("x" * (LIMIT + 1), what="result", limit=LIMIT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_stored_or_refused_never_changed(value: Any) -> None:
    try:
        text = dump_json(value, what="args", limit=10**6)
    except InvalidInput:
        return
    assert json.loads(text) == value
    text.encode()
    assert "\x00" not in text


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a b",
        "ü",
        "🦆",
        "👩\u200d💻",
        "a/b",
        "a,b",
        "...",
        ".a",
        "<script>",
        "می\u200cخواهم",
        "x" * MAX_NAME,
    ],
)
def test_names(name: str) -> None:
    assert check_name(name, loc=("queue",)) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "x" * (MAX_NAME + 1), ".", ".."),
        *("a\nb", "\x7f", "a\x00", "\ud800", "\t", "a\x85b", "a\x9bb", "a\u2028b", "a\u2029b"),
        *(" a", "a ", "a\xa0", "\u3000a", " "),
        *("a\u202eb", "\u2066a", "a\u200f", "a\u061cb", "\u200b", "a\ufeffb", "pay\xadroll"),
    ],
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_name(name, loc=("queue",))
    assert caught.value.problems[0].loc == ("queue",)


def test_a_line_is_any_text_without_control_characters() -> None:
    for text in ("a ", " a", "\u200fמעבר\u200f", "..", "x" * 500):
        assert check_line(text, loc=("reason",), limit=500) == text
    for text in ("", "x" * 501, "a\nb", "\x85", "\u2028", "\ud800"):
        with pytest.raises(InvalidInput):
            check_line(text, loc=("reason",), limit=500)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("half", "not JSON"),
        ('{"a":1,}', "not JSON"),
        ("[NaN]", "finite"),
        ("-Infinity", "finite"),
        ("[1e999]", "finite"),
        ("[-1E+0400]", "finite"),
        ('["\\ud800"]', "surrogate"),
        ('["\\u0000"]', "NUL"),
        ("9" * 4_301, "too many digits"),
        (f'{{"a":-{"9" * 4_301}}}', "too many digits"),
        ("[" * 66 + "]" * 66, "too deep"),
        ("[" * 200_000, "too deep"),
    ],
)
def test_stored_text_that_is_not_strict_is_refused_when_it_is_read(text: str, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_json(text, what="args")
    assert why in caught.value.problems[0].msg


@given(JSON)
def test_what_is_stored_can_be_read(value: Any) -> None:
    try:
        text = dump_json(value, what="args", limit=10**6)
    except InvalidInput:
        return
    assert load_json(text, what="args") == value
    assert check_json_text(text.encode(), what="args", limit=10**6) == text


@pytest.mark.parametrize(
    "text",
    ["NaN", "[-Infinity]", '"\\u0000"', '"\\ud800"', "1" * 4_301, "[" * 66 + "]" * 66, '"' + "x" * 99 + '"'],
)
def test_text_of_another_serializer_is_as_strict(text: str) -> None:
    with pytest.raises(InvalidInput):
        check_json_text(text.encode(), what="result", limit=100 if text.startswith('"x') else 10_000)


def test_the_longest_number_is_stored_and_read() -> None:
    assert load_json(dump_json(10**4_299, what="args", limit=10_000), what="args") == 10**4_299
    with pytest.raises(InvalidInput):
        dump_json(10**4_300, what="args", limit=10_000)


@given(
    st.text(alphabet=st.characters() | st.sampled_from("\ud800\udfff\x00"), max_size=300),
    st.integers(50, 200),
)
def test_text_from_outside_is_always_mended(text: str, limit: int) -> None:
    mended = clean_text(text, limit)
    mended.encode()
    assert "\x00" not in mended
    assert len(mended) <= limit


def test_head_and_tail_are_kept() -> None:
    text = "head" + "x" * 10_000 + "tail"
    cut = cut_middle(text, 200)
    assert cut.startswith("head")
    assert cut.endswith("tail")
    assert len(cut) <= 200
    assert "characters elided" in cut
    assert cut_middle("short", 200) == "short"


def test_a_long_text_keeps_both_its_ends() -> None:
    cut = middle("start" + "x" * 400 + "end", 40)
    assert len(cut) == 40
    assert cut.startswith("start")
    assert cut.endswith("end")
