"""What is declared is used, what is used is declared, what is declared is locked, and each lock holds hashes."""

from __future__ import annotations

import re
import sys
import tomllib
from typing import Any

from tests.guards.test_floors import imports
from tests.guards.tree import ROOT, modules, shown

# The name to import, where it is not the name of the distribution.
IMPORTED_AS = {"python-multipart": "python_multipart", "nats-py": "nats"}
# Declared for a library that loads them by itself, or gives them to us under its own name.
LOADED_BY = {
    "httptools": "uvicorn, for HTTP",
    "websockets": "uvicorn, for WebSocket",
    "python-multipart": "starlette, for forms",
    "tzdata": "zoneinfo, where the machine has no time zone files",
}
GIVEN_BY = {"starlette": "fastapi", "pydantic_core": "pydantic", "click": "typer", "markupsafe": "jinja2"}


def declared() -> list[str]:
    """What every installation brings."""
    return _names(_project()["dependencies"])


def extras() -> list[str]:
    """What only those bring that ask for it."""
    return [name for group in _project()["optional-dependencies"].values() for name in _names(group)]


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _names(requirements: list[str]) -> list[str]:
    names = [re.match(r"[\w.-]+", text) for text in requirements]
    return [name.group().lower() for name in names if name]


def used() -> dict[str, str]:
    """Each foreign module that the package imports, with a place where it does."""
    return {
        module.split(".")[0]: shown(path, line)
        for path in modules()
        if "testing"
        not in path.parts  # the kit for users' tests imports what those tests bring: pytest, hypothesis
        for line, module in imports(path)
        if module.split(".")[0] not in {"holdfast", *sys.stdlib_module_names}
    }


def test_what_is_declared_is_used() -> None:
    unused = {name for name in declared() if name not in LOADED_BY} - {
        name for name in declared() if IMPORTED_AS.get(name, name) in used()
    }
    assert not unused


def test_what_is_used_is_declared() -> None:
    known = {IMPORTED_AS.get(name, name) for name in (*declared(), *extras())}
    strangers = {name: place for name, place in used().items() if GIVEN_BY.get(name, name) not in known}
    assert not strangers


def test_every_dependency_says_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("\ndependencies = [") :].partition("\n]")[0].splitlines()[2:]
    bare = [
        line for before, line in zip(["", *block], block, strict=False) if '"' in line and "#" not in before
    ]
    assert not bare, f"no comment above: {bare}"


def test_every_dependency_is_locked_with_hashes() -> None:
    for name in ("run", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        locked = re.findall(r"^([\w.-]+)==\S+(.*?)(?=^[\w.-]+==|\Z)", text, re.MULTILINE | re.DOTALL)
        assert {package for package, _ in locked} >= set(declared())
        assert all("--hash=sha256:" in rest for _, rest in locked), f"{name}.txt has a line without a hash"


def test_both_locks_agree() -> None:
    run, dev = (
        dict(
            re.findall(
                r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE
            )
        )
        for name in ("run", "dev")
    )
    assert run
    assert run.items() <= dev.items()
