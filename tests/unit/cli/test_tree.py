"""The reference lists every command with the text of `--help`; the import of the command line is cheap."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from holdfast.cli import app, main
from holdfast.cli.exit_codes import MEANINGS
from holdfast.core.commands import Action
from tests.unit.cli.conftest import Terminal

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def commands(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every command that does something, as it is typed, with what it does."""
    below = getattr(command, "commands", None)
    for word, one in sorted((below or {}).items()):
        yield from commands(one, f"{name} {word}")
    if below is None or command.invoke_without_command:
        yield name, str(command.help).strip()


def documented() -> dict[str, str]:
    return dict(re.findall(r"^\| `(holdfast [^`]+)` \| (.*) \|$", REFERENCE.read_text(), re.MULTILINE))


def test_the_reference_lists_every_command_and_no_other() -> None:
    there = dict(commands(typer.main.get_command(app), "holdfast"))
    assert len(there) > 30
    assert documented() == there


def test_the_reference_lists_every_exit_code() -> None:
    listed = dict(re.findall(r"^\| (\d+) \| (.*) \|$", REFERENCE.read_text(), re.MULTILINE))
    assert listed == {str(int(exit)): meaning for exit, meaning in MEANINGS.items()}


@pytest.mark.parametrize("command", sorted(documented()))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split()[1:], "--help"]) == 0
    assert "Usage: " + command in capsys.readouterr().out


def test_help_and_the_start_of_a_server_load_nothing_heavy() -> None:
    code = "import sys; from holdfast.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "typer" in loaded
    assert not loaded & {
        "pydantic",
        "rich",
        "httpx",
        "apsw",
        "fastapi",
        "uvicorn",
        "structlog",
        "asyncio",
        "jsonschema",
    }


# What the REST API can do, and the command that does the same.
DOES_THE_SAME = {
    "GET /health/live": "doctor",
    "GET /health/ready": "doctor",
    "GET /stats": "top",
    "GET /job-types": "type list",
    "GET /job-types/{name}": "type show",
    "POST /jobs": "job run",
    "GET /jobs": "job list",
    "GET /jobs/{job_id}": "job show",
    "GET /jobs/{job_id}/history": "job show",
    "GET /jobs/{job_id}/logs": "job logs",
    "DELETE /jobs/{job_id}": "job delete",
    "POST /jobs/actions": "job cancel",
    "GET /jobs/count": "job pause",  # the dry run counts
    "GET /queues": "queue list",
    "POST /queues/{name}/pause": "queue pause",
    "POST /queues/{name}/resume": "queue resume",
    "GET /workers": "worker list",
    "POST /workers/{worker_id}/drain": "worker drain",
    "GET /events": "job watch",
    "GET /ws": "job watch",  # the same events
    **{
        f"POST /jobs/{{job_id}}/{action}": f"job {action}" for action in Action if action is not Action.DELETE
    },
}
ONLY_FOR_PROGRAMS = {"POST /jobs/bulk"}


def test_what_the_api_can_do_the_command_line_can_do(terminal: Terminal) -> None:
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in json.loads(terminal("openapi").out)["paths"].items()
        for method in methods
    }
    assert operations == DOES_THE_SAME.keys() | ONLY_FOR_PROGRAMS
    assert {f"holdfast {command}" for command in DOES_THE_SAME.values()} <= documented().keys()
    assert {f"holdfast job {action}" for action in Action} <= documented().keys()
