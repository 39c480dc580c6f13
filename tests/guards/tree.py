"""The project's own files, as the guards read them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PACKAGE = SRC / "holdfast"
DASHBOARD = PACKAGE / "web" / "dashboard"

FOLDERS = (".ci", "benchmarks", "docs", "examples", "requirements", "scripts", "src", "tests")
NOT_OURS = {"__pycache__", "vendor", ".git"}  # a linked worktree has a file of that name


def ours(path: Path) -> bool:
    """Not vendored, not made by a tool, not in a hidden folder below one of ours."""
    parts = path.relative_to(ROOT).parts
    return NOT_OURS.isdisjoint(parts) and not any(part.startswith(".") for part in parts[1:])


def modules(folder: Path = PACKAGE) -> list[Path]:
    """Every Python file below a folder; never empty, so that no guard passes by looking at nothing."""
    found = sorted(path for path in folder.rglob("*.py") if ours(path))
    assert found, f"no Python file in {folder}"
    return found


def files() -> list[Path]:
    """Every file that belongs to the project, without asking a version control system for it."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    found = sorted(path for path in found if ours(path))
    assert len(found) > 20, f"found only {len(found)} files in {ROOT}"
    return found


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name_of(path: Path) -> str:
    """`holdfast.core.job` for src/holdfast/core/job.py."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(path: Path, line: int = 0) -> str:
    """A place as a person would open it."""
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))
