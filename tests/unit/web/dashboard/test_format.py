"""What people read: numbers, spans, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.web.dashboard import format as f

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1284, "1,284"), (99_999, "99,999"), (128_400, "128.4k"), (3_100_000, "3.1M")],
)
def test_numbers_are_whole_up_to_99999_and_short_above(value: int, text: str) -> None:
    assert f.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.004, "4 ms"),
        (1.94, "1.9 s"),
        (22, "22 s"),
        (134, "2 min 14 s"),
        (900, "15 min"),
        (28_560, "7 h 56 min"),
    ],
)
def test_a_span_has_two_units_at_most_and_is_never_negative(seconds: float, text: str) -> None:
    assert f.duration(seconds) == text


def test_a_time_is_shown_as_its_distance() -> None:
    assert f.ago(NOON - timedelta(seconds=125), NOON) == "2 min ago"
    assert f.ago(NOON + timedelta(minutes=5), NOON) == "in 5 min"
    assert f.ago(NOON, NOON) == "now"


def test_a_time_is_shown_in_the_viewers_zone() -> None:
    assert f.stamp(NOON, "Europe/Berlin") == "20 Nov 2026, 13:00:00"
