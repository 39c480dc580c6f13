"""Everything a user can set, call or meet is described in docs/reference: settings, routes, commands, errors."""

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

from holdfast.core.errors import HoldfastError
from holdfast.core.settings import Settings
from tests.guards.tree import ROOT

REFERENCE = ROOT / "docs" / "reference"
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def reference() -> str:
    """The whole reference, with every path parameter written `{}`: its name is no fact for a reader."""
    pages = sorted(REFERENCE.glob("*.md"))
    assert pages, f"no page in {REFERENCE}"
    return re.sub(r"\{\w+\}", "{}", "\n".join(page.read_text() for page in pages))


def test_every_setting_is_documented(reference: str) -> None:
    missing = [name for name in Settings.model_fields if f"`HOLDFAST_{name.upper()}`" not in reference]
    assert Settings.model_fields
    assert not missing, f"not in docs/reference: {missing}"


def test_every_setting_says_what_it_does() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def routes(folder: Path) -> Iterator[tuple[str, str]]:
    """Each method and path of the OpenAPI document, as a person gets it from the command line."""
    command = [sys.executable, "-m", "holdfast", "openapi"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for path, operations in json.loads(done.stdout)["paths"].items():
        for method in METHODS & operations.keys():
            yield method.upper(), re.sub(r"\{\w+\}", "{}", path)


def test_every_route_is_documented(reference: str, tmp_path: Path) -> None:
    found = list(routes(tmp_path))
    assert len(found) > 20
    missing = [
        f"{method} {path}"
        for method, path in found
        if not re.search(
            rf"{method} (?:/api/v1)?{re.escape(path.removeprefix('/api/v1'))}(?![\w/{{-])", reference
        )
    ]
    assert not missing, f"not in docs/reference: {sorted(missing)}"


def commands(command: Any, name: str) -> Iterator[str]:
    """Every command that does something, as it is typed. By their attributes: Typer brings classes of its own."""
    below = getattr(command, "commands", None)
    if below is not None:
        for word, one in below.items():
            if not one.hidden:
                yield from commands(one, f"{name} {word}")
        if not command.invoke_without_command:
            return
    yield name


def test_every_command_is_documented(reference: str) -> None:
    from holdfast.cli import app

    found = list(commands(typer.main.get_command(app), "holdfast"))
    assert len(found) > 20
    missing = [name for name in found if not re.search(rf"{re.escape(name)}\b", reference)]
    assert not missing, f"not in docs/reference: {missing}"


def errors(kind: type[HoldfastError]) -> Iterator[type[HoldfastError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from errors(below)


def test_every_error_code_is_documented(reference: str) -> None:
    codes = {kind.code for kind in errors(HoldfastError)}
    assert len(codes) > 5
    missing = [code for code in sorted(codes) if f"`{code}`" not in reference]
    assert not missing, f"not in docs/reference: {missing}"
