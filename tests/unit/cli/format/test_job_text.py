"""What a person reads: bars with their held mark, durations, times, nothing that steers the terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.cli.format.job_text import (
    EMPTY,
    FILL,
    HELD,
    ago,
    bar,
    bar_line,
    cell,
    duration,
    printable,
    progress_text,
    share,
    stamp,
)


@pytest.mark.parametrize(
    ("done", "total", "held", "shown"),
    [
        (0, 8, None, "░░░░░░░░"),
        (4, 8, None, "████░░░░"),
        (4, 8, 3, "██┃█░░░░"),
        (8, 8, 8, "███████┃"),
        (4, 8, 0, "████░░░░"),
        (9, 8, 20, "███████┃"),
        (3, None, 2, "░░░░░░░░"),
        (3, 0, 2, "░░░░░░░░"),
        (-5, 8, None, "░░░░░░░░"),
    ],
)
def test_a_bar_is_filled_and_marked(done: float, total: float | None, held: float | None, shown: str) -> None:
    assert bar(done, total, held, 8) == shown


@pytest.mark.parametrize("held", range(1, 101))
def test_the_mark_is_never_ahead_of_what_is_held(held: int) -> None:
    text = bar(100, 100, held)
    assert set(text) <= {FILL, HELD, EMPTY}
    assert text.index(HELD) / len(text) <= held / 100


def test_a_bar_says_its_figures() -> None:
    line = bar_line(
        "rows", {"done": 41_200, "total": 90_000, "held": 41_000, "message": "eu\x1b[2J"}, left=156
    )
    assert line.startswith("rows █")
    assert "41,200 / 90,000  45 %  held 41,000  about 2 min 36 s left  eu\\x1b[2J" in line


def test_a_share_is_whole_only_when_all_is_done() -> None:
    assert [share(done, 1000) for done in (0, 5, 999, 1000)] == ["0 %", "0 %", "99 %", "100 %"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (0.0004, "1 ms"),
        (0.012, "12 ms"),
        (1.94, "1.9 s"),
        (41, "41 s"),
        (134, "2 min 14 s"),
        (28_560, "7 h 56 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_moments_lie_back_or_ahead() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    spans = [timedelta(0), timedelta(seconds=40), timedelta(minutes=3), timedelta(days=2, hours=5)]
    assert [ago(now - span, now) for span in spans] == ["now", "40 s ago", "3 min ago", "2 d ago"]
    assert ago(now + timedelta(minutes=5), now) == "in 5 min"


def test_a_time_shows_its_zone_and_its_day_unless_it_is_today() -> None:
    assert stamp(datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), utc=True) == "2020-01-02 03:04:05 UTC"
    assert stamp(datetime.now(UTC).replace(microsecond=0), utc=True).count("-") == 0


def test_control_sequences_never_reach_the_terminal() -> None:
    assert printable("a\x1b[31m\tb\r\nc\x9b\u202e") == "a\\x1b[31m\\tb\\r\\nc\\x9b\\u202e"
    assert printable("grün ✓ 日本") == "grün ✓ 日本"
    assert cell({"args": {"x": "\x1b[2J"}}, "args") == '{"x": "\\u001b[2J"}'
    assert "\x1b" not in cell({"tags": ["\x1b"]}, "tags")


def test_a_request_is_shown_beside_the_state() -> None:
    assert cell({"state": "processing", "requested": "pause"}, "state") == "processing, pausing"


@pytest.mark.parametrize(("done", "total"), [(1e308, 5e-324), (-1e308, 1e-300), (1e308, 1e308), (0, 5e-324)])
def test_a_bar_of_any_finite_numbers_is_drawn(done: float, total: float) -> None:
    progress = {"done": done, "total": total, "held": done}
    assert len(bar(done, total, done, width=10)) == 10
    assert "%" in progress_text(progress)
    assert bar_line("x", progress)


def test_a_cell_says_why_it_cannot_be_read() -> None:
    row = {"args": None, "progress": None, "unreadable": {"args": "not JSON\x1b"}}
    assert cell(row, "args") == "unreadable: not JSON\\x1b"
    assert cell(row, "progress") == ""
