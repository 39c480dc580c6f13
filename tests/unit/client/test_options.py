"""Every option is checked, all problems are reported at once, and what passed is in stored form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.client.options import NO_OPTIONS, OPTION_NAMES, JobOptions, read_options
from holdfast.core.errors import InvalidInput
from holdfast.core.retention import Retention

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("queue", "mail", "mail"),
        ("priority", -1000, -1000),
        ("priority", 0, 0),
        ("delay", "5m", 300.0),
        ("delay", 0, 0.0),
        ("delay", timedelta(hours=1), 3600.0),
        ("run_at", NOON, int(NOON.timestamp()) * 1_000_000),
        ("owner", "ann", "ann"),
        ("tags", ["b", "a", "b"], ("b", "a")),
        ("unique", "u" * 500, "u" * 500),
        ("retries", 0, 0),
        ("retries", 1000, 1000),
        ("timeout", "1h30m", 5400.0),
        ("idempotency_key", "k", "k"),
        ("keep", "2d", Retention(172_800.0, 172_800.0, 172_800.0)),
        ("keep", "forever", Retention(None, None, None)),
    ],
)
def test_what_an_option_becomes(name: str, value: Any, stored: Any) -> None:
    assert getattr(read_options({name: value}), name) == stored


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("queue", "", "1 to 200"),
        ("queue", 5, "must be text"),
        ("queue", "a\nb", "control character"),
        ("priority", 1001, "-1000 to 1000"),
        ("priority", True, "whole number"),
        ("priority", 1.0, "whole number"),
        ("delay", "soon", "not a duration"),
        ("delay", -1, "between 0 and 100 years"),
        ("run_at", "tomorrow", "datetime"),
        ("run_at", 1_900_000_000, "datetime"),
        ("run_at", datetime.min, "out of range"),
        ("run_at", datetime.min.replace(tzinfo=UTC), "1970 to 9998"),
        ("run_at", datetime.max.replace(tzinfo=UTC), "1970 to 9998"),
        ("queue", " mail", "blanks at the ends"),
        ("owner", "ann\u202e", "invisible"),
        ("unique", "a\u2028b", "control character"),
        ("owner", "o" * 201, "1 to 200"),
        ("tags", "urgent", "must be a list"),
        ("tags", [f"t{n}" for n in range(33)], "at most 32"),
        ("tags", [1], "must be text"),
        ("tags", ["fine", ""], "1 to 200"),
        ("unique", "u" * 501, "1 to 500"),
        ("retries", -1, "0 to 1000"),
        ("retries", "3", "whole number"),
        ("timeout", 0, "more than zero"),
        ("timeout", float("nan"), "between 0 and 100 years"),
        ("idempotency_key", "", "1 to 500"),
        ("keep", "long", "not a duration"),
    ],
)
def test_what_an_option_cannot_be(name: str, value: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_options({name: value})
    (problem,) = caught.value.problems
    assert problem.loc[0] == name
    assert words in problem.msg
    assert words in str(caught.value)


def test_the_place_of_a_bad_tag_is_reported() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_options({"tags": ["fine", "\x00"]})
    assert caught.value.problems[0].loc == ("tags", 1)


def test_all_problems_at_once() -> None:
    wrong = JobOptions(
        queue="", priority=5000, delay="x", tags="y", retries=-1, timeout=0, keep="z", owner=""
    )
    with pytest.raises(InvalidInput) as caught:
        wrong.checked()
    named = {problem.loc[0] for problem in caught.value.problems}
    assert named == {"queue", "priority", "delay", "tags", "retries", "timeout", "keep", "owner"}


def test_delay_and_run_at_exclude_each_other() -> None:
    with pytest.raises(InvalidInput, match="delay or run_at, not both"):
        read_options({"delay": 1, "run_at": NOON})


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime(2030, 1, 2, 12)
    assert read_options({"run_at": local}) == read_options({"run_at": local.astimezone(UTC)})


def test_an_unknown_option_is_named_beside_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"unknown option colour, dely; known are delay, ") as caught:
        read_options({"dely": 1, "colour": 2, "queue": "mail"})
    assert [problem.loc for problem in caught.value.problems] == [("colour",), ("dely",)]


def test_nothing_given_means_the_defaults_of_the_type() -> None:
    assert read_options({}) is NO_OPTIONS
    assert JobOptions().checked() == NO_OPTIONS
    assert all(getattr(NO_OPTIONS, name) is None for name in OPTION_NAMES)
