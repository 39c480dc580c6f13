"""Arguments and times as they are typed."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.cli.commands.job_run import moment, read_arguments


def test_a_value_is_json_if_it_parses_and_else_text() -> None:
    pairs = [
        "n=3",
        "x=1.5",
        "on=true",
        "none=null",
        "list=[1,2]",
        "word=eu",
        'quoted="3"',
        "equals=a=b",
        "empty=",
        "nan=NaN",
    ]
    assert read_arguments(pairs, None) == {
        "n": 3,
        "x": 1.5,
        "on": True,
        "none": None,
        "list": [1, 2],
        "word": "eu",
        "quoted": "3",
        "equals": "a=b",
        "empty": "",
        "nan": "NaN",
    }


def test_large_numbers_stay_exact() -> None:
    assert read_arguments(["n=9007199254740993"], None) == {"n": 9_007_199_254_740_993}


def test_the_document_comes_from_text_file_or_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "args.json"
    file.write_text('{"a": 1, "b": 2}')
    monkeypatch.setattr("sys.stdin", io.StringIO('{"c": 3}'))
    assert read_arguments([], '{"x": "y"}') == {"x": "y"}
    assert read_arguments(["b=9"], f"@{file}") == {"a": 1, "b": 9}
    assert read_arguments([], "-") == {"c": 3}


def test_times_without_a_zone_are_local() -> None:
    assert moment("2026-11-20T14:00Z") == datetime(2026, 11, 20, 14, tzinfo=UTC)
    assert moment("2026-11-20 14:00") == datetime(2026, 11, 20, 14).astimezone()
