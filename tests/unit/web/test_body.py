"""Bodies are strict JSON before anything looks into them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput
from holdfast.web.api.body import read_json
from holdfast.web.errors import Malformed

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def attempt(raw: bytes) -> tuple[Any, InvalidInput | None]:
    try:
        return read_json(raw), None
    except InvalidInput as error:
        return None, error


@given(values)
def test_what_is_storable_comes_through_and_all_else_is_refused_with_a_place(value: Any) -> None:
    text = json.dumps(value)
    read, refused = attempt(text.encode())
    if refused is None:
        assert read == value
        assert "\\u0000" not in text
    else:
        assert "\\u0000" in text or "\\ud" in text
        assert refused.problems[0].loc


@given(st.binary(max_size=60))
def test_no_bytes_break_it(raw: bytes) -> None:
    _, refused = attempt(raw)
    assert refused is None or (refused.status in (400, 422) and refused.problems)


@pytest.mark.parametrize(
    ("text", "status", "loc", "word"),
    [
        ("{", 400, ("body", 1), "line 1"),
        ("", 400, ("body", 0), "Expecting value"),
        ("[1,]", 400, None, ""),
        ("{'a': 1}", 400, ("body", 1), ""),
        ('{"a": NaN}', 400, ("body",), "NaN"),
        ('{"a": -Infinity}', 400, ("body",), "-Infinity"),
        ('{"a": [1, 1e999]}', 422, ("a", 1), "finite"),
        (r'{"a": {"b": "x\ud800y"}}', 422, ("a", "b"), "surrogate"),
        (r'{"a": {"\udfff": 1}}', 422, ("a",), "surrogate"),
        (r'{"a": "x\u0000"}', 422, ("a",), "NUL"),
        ('{"a": ' + "9" * 5000 + "}", 422, ("body",), "digits"),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", 422, ("a", 0, 0, 0, 0, 0, 0, 0), "nested"),
        ("[" * 100_000, 422, ("body",), "nested"),
    ],
)
def test_bad_text(text: str, status: int, loc: tuple[str | int, ...] | None, word: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_json(text.encode())
    assert caught.value.status == status
    problem = caught.value.problems[0]
    assert loc is None or problem.loc == loc
    assert word in problem.msg


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(Malformed) as caught:
        read_json(b'{"a": "\xff"}')
    assert caught.value.problems[0].loc == ("body", 7)


def test_the_deepest_that_is_taken() -> None:
    assert read_json(("[" * 64 + "]" * 64).encode())
    with pytest.raises(InvalidInput):
        read_json(("[" * 65 + "]" * 65).encode())


def test_a_number_of_a_million_digits_takes_no_time() -> None:
    start = time.process_time()
    with pytest.raises(InvalidInput):
        read_json(b"9" * 1_000_000)
    assert time.process_time() - start < 1
