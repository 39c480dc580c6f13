"""How long ended jobs are kept."""

from __future__ import annotations

from itertools import product

import pytest

from holdfast.core.retention import Retention, format_retention, parse_retention
from holdfast.core.states import FINAL_STATES, State


@pytest.mark.parametrize(
    ("state", "seconds"), [(State.SUCCEEDED, 1.5), (State.FAILED, 2.0), (State.CANCELLED, 3.0)]
)
def test_each_end_has_its_own_time(state: State, seconds: float) -> None:
    assert Retention(1.5, 2.0, 3.0).until(state, 10) == 10 + int(seconds * 1_000_000)
    assert Retention(None, None, None).until(state, 10) is None


def test_the_defaults_are_those_of_the_contract() -> None:
    day = 86_400_000_000
    assert [Retention().until(state, 0) for state in (State.SUCCEEDED, State.FAILED, State.CANCELLED)] == [
        day,
        None,
        day,
    ]
    assert {State.SUCCEEDED, State.FAILED, State.CANCELLED} == FINAL_STATES


@pytest.mark.parametrize("times", list(product([None, 0.0, 5.5], repeat=3)))
def test_what_is_stored_is_read_back(times: tuple[float | None, float | None, float | None]) -> None:
    assert parse_retention(format_retention(Retention(*times))) == Retention(*times)
    assert parse_retention(format_retention(None)) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "half", "5", "{}x", '{"kept": 1}'),
        *('{"succeeded": "1"}', '{"succeeded": NaN}', '{"failed": -1}', '{"failed": 1e300}'),
    ],
)
def test_a_text_that_cannot_be_read_means_the_settings_of_the_app(text: str) -> None:
    """Read when a job ends, together with others: it must not keep them from ending."""
    assert parse_retention(text) is None
