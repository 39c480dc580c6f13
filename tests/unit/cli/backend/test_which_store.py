"""The store of a command is searched upwards as git does, named in messages, and created by no command that only reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import Holdfast
from tests.unit.cli.conftest import Terminal

READS = (
    "job list",
    "job show nope",
    "job logs nope",
    "job watch nope",
    "job wait nope",
    "job cancel nope",
    "job cancel -q state:failed --yes",
    "queue list",
    "type list",
    "type show nope",
    "worker list",
    "worker drain nope",
)


@pytest.mark.parametrize("line", READS)
def test_a_command_that_finds_nothing_says_where_and_makes_nothing(
    terminal: Terminal, tmp_path: Path, line: str
) -> None:
    done = terminal(*line.split())
    assert done.code == (3 if "nope" in line else 0), done.err
    assert f"{tmp_path}/.holdfast/holdfast.db (no store yet" in done.err
    assert list(tmp_path.iterdir()) == []
    made = terminal("job", "run", "count_to", "--arg", "n=1", "--ids")
    assert made.code == 0
    terminal("job", "cancel", made.out.strip())
    terminal("job", "delete", made.out.strip())
    if line in ("queue list", "type list"):
        return  # the type and the queue of the app are there now
    done = terminal(*line.split())
    assert f"{tmp_path}/.holdfast/holdfast.db" in done.err
    assert "no store yet" not in done.err


@pytest.mark.parametrize("line", ["top --once --json", "job list --json"])
def test_an_empty_answer_has_its_usual_form(terminal: Terminal, tmp_path: Path, line: str) -> None:
    done = terminal(*line.split())
    assert (done.code, type(done.json)) == (0, dict)
    assert list(tmp_path.iterdir()) == []


def test_a_search_that_cannot_be_read_is_refused_all_the_same(terminal: Terminal) -> None:
    assert terminal("job", "list", "-q", "statse:failed").code == 2


def test_a_store_is_looked_for_upwards(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = terminal("job", "run", "count_to", "--arg", "n=1", "--ids").out.strip()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert terminal("job", "list", "--ids").lines == [job]
    app = Holdfast()
    assert app.settings.data_dir == str(tmp_path / ".holdfast")
    (below / ".holdfast").mkdir()
    assert terminal("job", "list", "--ids").lines == [], "one of its own comes first"
    (below / ".holdfast").rmdir()
    monkeypatch.setenv("HOLDFAST_DATA_DIR", ".holdfast")
    assert terminal("job", "list", "--ids").lines == [], "a folder that was chosen is taken as it is"


def test_a_folder_without_a_store_and_one_of_another_user_are_passed_over(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal("job", "run", "count_to", "--arg", "n=1")
    below = tmp_path / "a"
    (below / ".holdfast").mkdir(parents=True)
    (below / "b").mkdir()
    monkeypatch.chdir(below / "b")
    assert len(terminal("job", "list", "--ids").lines) == 1
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    assert terminal("job", "list", "--ids").lines == []
