"""The same output as a table, as lines, as JSON, as ids."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.cells import cell_len

from holdfast.cli.exit_codes import CliError
from holdfast.cli.format.columns import JOBS
from holdfast.cli.format.output import Writer
from holdfast.cli.format.table import Column
from holdfast.cli.options import Common
from holdfast.client.views import JobView, Progress

WHEN = "2026-11-20T10:00:00Z"


class Tty(io.StringIO):
    """A terminal, as far as a program can tell."""

    def isatty(self) -> bool:
        return True


def job(**values: object) -> JobView:
    return JobView.model_validate(
        {
            "id": "01a1fbc4-e283-7c1b-b846-5d8491ae162d",
            "type": "report.build",
            "queue": "mail",
            "state": "processing",
            "args": {"user": 7},
            "created_at": WHEN,
            "changed_at": WHEN,
            **values,
        }
    )


def written(common: Common, *jobs: JobView, tty: bool = False) -> str:
    out = Tty() if tty else io.StringIO()
    Writer(common, out).many(jobs, JOBS)
    return out.getvalue()


def test_a_pipe_gets_lines_with_tabs_and_the_values_as_they_are() -> None:
    columns = written(Common(), job(progress=Progress(done=1, total=4))).rstrip("\n").split("\t")
    assert columns[:3] == ["01a1fbc4-e283-7c1b-b846-5d8491ae162d", "processing", "report.build"]
    assert json.loads(columns[3])["total"] == 4
    assert columns[4] == WHEN


def test_a_value_cannot_break_a_line() -> None:
    assert len(written(Common(fields="type,queue"), job(type="a\tb\nc")).splitlines()) == 1


def test_a_terminal_gets_a_table_whose_ids_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for width in ("60", "80", "200"):
        monkeypatch.setenv("COLUMNS", width)
        lines = re.sub(r"\x1b\[[0-9;]*m", "", written(Common(), job(), tty=True)).splitlines()
        assert len(lines) == 2
        assert lines[1].split()[0] == job().id
        assert max(map(len, lines)) <= int(width)
    assert "ARGS" in lines[0]


def test_colour_is_left_out_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;33m" in written(Common(), job(), tty=True)
    assert "33m" not in written(Common(no_color=True), job(), tty=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "33m" not in written(Common(), job(), tty=True)


def test_markup_in_names_is_text() -> None:
    assert "[red]x[/red]" in written(Common(no_color=True), job(type="[red]x[/red]"), tty=True)


def test_json_is_one_document_with_every_field() -> None:
    items = json.loads(written(Common(json=True), job(), job(id="2")))["items"]
    assert [item["id"] for item in items] == [job().id, "2"]
    assert set(items[0]) == set(JobView.model_fields)


def test_ndjson_is_one_object_a_line() -> None:
    lines = written(
        Common(ndjson=True, fields="id,progress.done"), job(progress=Progress(done=3)), job()
    ).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": job().id, "progress.done": 3.0},
        {"id": job().id, "progress.done": None},
    ]


def test_ids_are_alone() -> None:
    assert written(Common(ids=True), job(), job(id="2")).splitlines() == [job().id, "2"]


def test_an_unknown_field_is_reported_with_the_nearest_name() -> None:
    with pytest.raises(CliError, match="Did you mean state") as caught:
        written(Common(fields="id,stat"), job())
    assert "has_saved_state" in caught.value.hint


def test_one_thing_is_its_fields_under_each_other() -> None:
    out = io.StringIO()
    Writer(Common(), out).one(
        job(), [Column("id", "id"), Column("state", "state"), Column("error", "error.message")]
    )
    assert out.getvalue().splitlines() == [f"id\t{job().id}", "state\tprocessing", "error.message\t"]


LONG = "import_customers_" + "x" * 170 + "_eu_west"


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()


@pytest.mark.parametrize("width", ["80", "120", "200"])
@pytest.mark.parametrize("state", ["failed", "processing"])
def test_state_type_and_error_stay_whatever_the_name(
    monkeypatch: pytest.MonkeyPatch, width: str, state: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    error = {"type": "shop.Timeout", "message": "no answer\nwithin 30 s " + "y" * 300}
    hostile = job(
        type=LONG, queue=LONG, state=state, error=error, requested="cancel" if state != "failed" else None
    )
    head, *lines = plain(written(Common(), hostile, job(), tty=True))
    assert {"ID", "STATE", "TYPE"} <= set(head.split())
    assert max(map(len, [head, *lines])) <= int(width)
    assert lines[0].startswith(f"{job().id}  {state}")
    assert re.search(r"import_\w*…\w*_west", lines[0])
    assert lines[1].startswith("    shop.Timeout: no answer\\nwithin 30 s ")
    assert len(lines) == 3


def test_wide_letters_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, line = plain(written(Common(), job(type="顧客データ" * 30), tty=True))
    assert cell_len(line) <= 80
    assert re.search(r"顧客\w*…\w*データ", line)


def test_a_pipe_gets_the_message_of_the_error_and_whole_names() -> None:
    columns = written(Common(), job(type=LONG, error={"type": "T", "message": "no"})).rstrip("\n").split("\t")
    assert (columns[2], columns[8]) == (LONG, "no")
