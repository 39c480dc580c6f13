"""How times are resolved: by the given clock and time zone, also across a change of daylight saving time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from holdfast.core.query import QueryError, Time, parse

NOW = datetime(2026, 11, 19, 16, 3, 22, 250_000, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
TICK = timedelta(microseconds=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


def bounds(text: str, *, now: datetime = NOW, zone: tzinfo = UTC) -> tuple[datetime | None, datetime | None]:
    root = parse(f"created:{text}", now=now, zone=zone).root
    assert isinstance(root, Time)
    return root.low, root.high


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        (">2h", NOW - timedelta(hours=2), None),
        (">=2h", NOW - timedelta(hours=2), None),
        ("<1d12h", None, NOW - timedelta(hours=36)),
        ("<=1w", None, NOW - timedelta(days=7)),
        ("2d..1h", NOW - timedelta(days=2), NOW - timedelta(hours=1)),
        ("2026-11-01", utc(2026, 11, 1), utc(2026, 11, 2)),
        (">2026-11-01", utc(2026, 11, 2), None),
        (">=2026-11-01", utc(2026, 11, 1), None),
        ("<2026-11-01", None, utc(2026, 11, 1)),
        ("<=2026-11-01", None, utc(2026, 11, 2)),
        ("2026-11-01T10:00", utc(2026, 11, 1, 10), utc(2026, 11, 1, 10, 1)),
        ("2026-11-01T10:00:30z", utc(2026, 11, 1, 10, 0, 30), utc(2026, 11, 1, 10, 0, 31)),
        (
            "2026-11-01T10:00:30.5Z",
            utc(2026, 11, 1, 10, 0, 30, 500_000),
            utc(2026, 11, 1, 10, 0, 30, 600_000),
        ),
        ('"2026-11-01 10:00"', utc(2026, 11, 1, 10), utc(2026, 11, 1, 10, 1)),
        (">2026-11-01T10:00", utc(2026, 11, 1, 10) + TICK, None),
        ("<=2026-11-01T10:00", None, utc(2026, 11, 1, 10) + TICK),
        ("2026-11-01T10:00+01:30..2026-11-01T10:00Z", utc(2026, 11, 1, 8, 30), utc(2026, 11, 1, 10)),
        ('"2026-11-01 10:00".."2026-11-01 11:00"', utc(2026, 11, 1, 10), utc(2026, 11, 1, 11)),
        ("yesterday..today", utc(2026, 11, 18), utc(2026, 11, 20)),
    ],
)
def test_each_form_means_one_half_open_range(text: str, low: datetime | None, high: datetime | None) -> None:
    assert bounds(text) == (low, high)


def test_the_given_clock_may_be_in_any_zone() -> None:
    low, _ = bounds(">2h", now=NOW.astimezone(timezone(timedelta(hours=9))))
    assert low is not None
    assert low == NOW - timedelta(hours=2)
    assert low.tzinfo is UTC
    with pytest.raises(ValueError, match="aware"):
        parse("a", now=datetime(2026, 1, 1))


def test_a_day_in_berlin_has_25_hours_when_the_clocks_go_back() -> None:
    now = utc(2026, 10, 25, 12)
    low, high = bounds("today", now=now, zone=BERLIN)
    assert (low, high) == (utc(2026, 10, 24, 22), utc(2026, 10, 25, 23))
    assert bounds("yesterday", now=now, zone=BERLIN) == (utc(2026, 10, 23, 22), utc(2026, 10, 24, 22))
    assert bounds(">1d", now=now, zone=BERLIN)[0] == utc(2026, 10, 24, 12), "a span is elapsed time"


def test_a_day_in_berlin_has_23_hours_when_the_clocks_go_forward() -> None:
    assert bounds("2026-03-29", zone=BERLIN) == (utc(2026, 3, 28, 23), utc(2026, 3, 29, 22))


def test_the_zone_decides_which_day_is_today() -> None:
    now = utc(2026, 11, 19, 23, 30)
    assert bounds("today", now=now, zone=BERLIN)[0] == utc(2026, 11, 19, 23)
    assert bounds("today", now=now)[0] == utc(2026, 11, 19)


def test_a_time_that_exists_twice_is_the_earlier_and_one_left_out_moves_on() -> None:
    twice = "2026-10-25T02:30"
    assert bounds(twice, zone=BERLIN) == (utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 0, 31))
    assert bounds(f"{twice}+01:00", zone=BERLIN)[0] == utc(2026, 10, 25, 1, 30)
    assert bounds(">=2026-03-29T02:30", zone=BERLIN)[0] == utc(2026, 3, 29, 1, 30)


def test_a_day_whose_midnight_is_left_out_begins_with_the_change() -> None:
    low, high = bounds("2018-11-04", zone=ZoneInfo("America/Sao_Paulo"))
    assert (low, high) == (utc(2018, 11, 4, 3), utc(2018, 11, 5, 2))


@pytest.mark.parametrize(
    ("text", "zone", "sentence"),
    [
        ("created:>2h", UTC, "Created in the last 2 hours (after 19 Nov 2026, 14:03:22 UTC)"),
        ("created:>2h", BERLIN, "Created in the last 2 hours (after 19 Nov 2026, 15:03:22 CET)"),
        ("run:<2h", UTC, "Due more than 2 hours ago (before 19 Nov 2026, 14:03:22 UTC)"),
        ("run:>2h", UTC, "Due after 19 Nov 2026, 14:03:22 UTC"),
        ("age:>2h", UTC, "Created more than 2 hours ago (before 19 Nov 2026, 14:03:22 UTC)"),
        ("-age:<1h", UTC, "Not created in the last hour (after 19 Nov 2026, 15:03:22 UTC)"),
        (
            "created:4h..90m",
            UTC,
            "Created between 4 hours and 1 hour 30 minutes ago "
            "(from 19 Nov 2026, 12:03:22 UTC until 19 Nov 2026, 14:33:22 UTC)",
        ),
        ("-started:>=2026-07-01", BERLIN, "Not started from 1 Jul 2026, 00:00:00 CEST on"),
        ("started:>2026-07-01", BERLIN, "Started from 2 Jul 2026, 00:00:00 CEST on"),
        ("started:<=2026-07-01", BERLIN, "Started before 2 Jul 2026, 00:00:00 CEST"),
        ("started:>2026-07-01T10:00Z", UTC, "Started after 1 Jul 2026, 10:00:00 UTC"),
        ("started:<=2026-07-01T10:00Z", UTC, "Started until 1 Jul 2026, 10:00:00 UTC"),
        ("finished:today", UTC, "Finished from 19 Nov 2026, 00:00:00 UTC until 20 Nov 2026, 00:00:00 UTC"),
    ],
)
def test_how_a_time_was_understood_is_shown_in_the_zone(text: str, zone: tzinfo, sentence: str) -> None:
    assert parse(text, now=NOW, zone=zone).explain == (sentence,)


def test_each_time_is_shown_once_in_order() -> None:
    query = parse("run:>1h type:a (created:>2h OR run:>1h)", now=NOW)
    assert [sentence.split()[0] for sentence in query.explain] == ["Due", "Created"]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("age:>2h", None, NOW - timedelta(hours=2)),
        ("age:>=2h", None, NOW - timedelta(hours=2)),
        ("age:<2h", NOW - timedelta(hours=2), None),
        ("age:<=2h", NOW - timedelta(hours=2), None),
        ("age:1h..2h", NOW - timedelta(hours=2), NOW - timedelta(hours=1)),
        ("age:2h", NOW - timedelta(hours=3), NOW - timedelta(hours=2)),
        ("age:1h30m", NOW - timedelta(minutes=91), NOW - timedelta(minutes=90)),
    ],
)
def test_an_age_is_a_range_of_times_of_creation(
    text: str, low: datetime | None, high: datetime | None
) -> None:
    query = parse(text, now=NOW)
    assert (query.root, query.text, query.unindexed) == (Time("created", low, high), text, ())


def test_an_age_is_the_opposite_of_a_time_of_creation() -> None:
    older, younger = parse("age:>2h", now=NOW).root, parse("created:>2h", now=NOW).root
    assert isinstance(older, Time)
    assert isinstance(younger, Time)
    assert older.high == younger.low
    assert parse("age:*", now=NOW).root == parse("created:*", now=NOW).root


@pytest.mark.parametrize("text", ["age:2h..1h", "age:today", "age:>2026-11-01", "age:>soon", "age:~2h"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(QueryError):
        parse(text, now=NOW)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("created:>2h", "created in the last 2 hours"),
        ("CREATED:>1d", "created in the last day"),
        ("created:<30s", "created more than 30 seconds ago"),
        ("NOT age:>1h30m", "not created more than 1 hour 30 minutes ago"),
        ("finished:>500ms", "finished in the last 0.5 seconds"),
        ("started:>2w", "started in the last 14 days"),
        ("created:today", ""),
        ("run:>2h", ""),
        ("(created:>2h OR type:a)", ""),
        ("type:a", ""),
    ],
)
def test_a_chip_says_in_words_what_a_span_means(text: str, words: str) -> None:
    query = parse(f"queue:x {text}", now=NOW)
    assert [chip.words for chip in query.terms()] == ["", words]
