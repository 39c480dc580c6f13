"""Spans of time, as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.duration import MAX_SECONDS, UNITS, seconds


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (5, 5),
        (0, 0),
        (1.5, 1.5),
        ("90", 90),
        ("1e3", 1000),
        (" 15m ", 900),
        ("1h30m", 5400),
        ("2 d", 172_800),
        ("500ms", 0.5),
        ("10min", 600),
        ("1w 1d", 691_200),
        ("1.5h", 5400),
        (timedelta(minutes=2), 120),
        (MAX_SECONDS, MAX_SECONDS),
    ],
)
def test_forms(written: float | str | timedelta, expected: float) -> None:
    assert seconds(written) == expected


TEXTS = [
    "",
    " ",
    "m",
    "5x",
    "-5",
    "-5s",
    "5 5",
    "1h30",
    "nan",
    "inf",
    "-1",
    "1h-30m",
    "٣s",
    "9" * 50,
    "5s" * 500_000,
]
NUMBERS = [-1, -0.001, float("nan"), float("inf"), MAX_SECONDS + 1, timedelta(seconds=-1)]


@pytest.mark.parametrize("written", [*TEXTS, *NUMBERS], ids=lambda written: str(written)[:20])
def test_what_is_no_duration(written: float | str | timedelta) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(written)


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(sorted(UNITS))), min_size=1, max_size=5))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    total = sum(number * UNITS[unit] for number, unit in parts)
    text = " ".join(f"{number}{unit}" for number, unit in parts)
    if total <= MAX_SECONDS and len(text) <= 40:
        assert seconds(text) == pytest.approx(total)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert 0 <= seconds(text) <= MAX_SECONDS
    except ValueError:
        with pytest.raises(ValueError, match="duration"):
            seconds(text)
