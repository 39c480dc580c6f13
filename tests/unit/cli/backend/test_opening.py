"""An app that cannot be imported is reported with the original error and its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Terminal


def write(folder: Path, module: str, code: str) -> None:
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(exist_ok=True)
    path.write_text(code)


@pytest.mark.parametrize(
    ("module", "missing"),
    [("redisy_jobs", "redisy"), ("reportz", "report"), ("shopz.jobs", "shop"), ("shopy.jobs", "shopy.other")],
)
def test_what_a_module_misses_is_not_taken_for_the_module(
    terminal: Terminal, tmp_path: Path, module: str, missing: str
) -> None:
    write(tmp_path, module, f"import json\nimport {missing}\n")
    done = terminal("job", "list", "--app", f"{module}:app")
    assert done.code == 1
    assert f"No module named '{missing}'" in done.err
    assert f"{module.rpartition('.')[2]}.py, line 2)" in done.err
    assert "there is no module" not in done.err


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from json import nothing\n", "ImportError: cannot import name 'nothing'"),
        ("\n1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError"),
    ],
)
def test_any_error_of_a_module_is_reported_with_its_place(
    terminal: Terminal, tmp_path: Path, code: str, message: str, request: pytest.FixtureRequest
) -> None:
    module = f"broken{abs(hash(request.node.name))}"
    write(tmp_path, module, code)
    done = terminal("job", "list", "--app", module)
    assert done.code == 1
    assert message in done.err
    assert f"{module}.py, line " in done.err
    assert "Traceback" not in done.err
    assert "Traceback" in terminal("job", "list", "--app", module, "--verbose").err


@pytest.mark.parametrize("path", ["nothere:app", "nothere.jobs:app", "sample.py:app"])
def test_a_missing_module_is_reported_as_missing(terminal: Terminal, path: str) -> None:
    done = terminal("job", "list", "--app", path)
    assert (done.code, "there is no module" in done.err) == (2, True)


@pytest.mark.parametrize("path", [":app", ".jobs:app"])
def test_a_path_without_a_module_is_refused(terminal: Terminal, path: str) -> None:
    done = terminal("job", "list", "--app", path)
    assert (done.code, "names no module" in done.err) == (2, True)
