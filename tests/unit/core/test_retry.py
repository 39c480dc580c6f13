"""When a failed job is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.retry import as_backoff, exponential, fixed, hangfire

CHANCE = st.floats(0, 1, exclude_max=True)


def test_without_luck_the_delays_are_those_of_hangfire() -> None:
    assert [hangfire(n, 0.0) for n in range(1, 11)] == [15, 16, 31, 96, 271, 640, 1311, 2416, 4111, 6576]


@given(st.integers(1, 1000), CHANCE)
def test_jitter_is_up_to_29_seconds_for_each_attempt(attempt: int, chance: float) -> None:
    extra = hangfire(attempt, chance) - hangfire(attempt, 0.0)
    assert 0 <= extra <= 29 * attempt
    assert extra % attempt == 0


@given(st.integers(1, 10_000), CHANCE, st.floats(1.1, 10), st.floats(1, 1e6))
def test_exponential_stays_between_half_and_its_ceiling(
    attempt: int, chance: float, base: float, cap: float
) -> None:
    ceiling = min(cap, base ** min(attempt, 64))
    assert ceiling / 2 <= exponential(base, cap=cap)(attempt, chance) <= ceiling


def test_a_wave_of_failures_is_spread() -> None:
    backoff = exponential(2.0)
    delays = [backoff(10, n / 1000) for n in range(1000)]
    assert len({round(delay, 1) for delay in delays}) > 900


def test_a_list_of_delays_repeats_its_last_delay() -> None:
    backoff = fixed([1, 5, 30])
    assert [backoff(n, 0.9) for n in range(1, 6)] == [1, 5, 30, 30, 30]


@pytest.mark.parametrize("delays", [[], [-1], [5, -0.1]])
def test_delays_that_make_no_sense(delays: list[float]) -> None:
    with pytest.raises(ValueError, match="backoff"):
        fixed(delays)


def test_what_a_job_may_say() -> None:
    assert as_backoff(None) is hangfire
    assert [as_backoff(7)(n, 0.5) for n in (1, 9)] == [7, 7]
    assert as_backoff([1, 2])(2, 0.5) == 2
    assert as_backoff(lambda attempt, chance: attempt * 3.0)(4, 0.0) == 12
