"""Every Python example of the documentation runs exactly as it is printed on its page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guards import run_page
from tests.guards.tree import ROOT, shown

README = ROOT / "README.md"
DOCS = [page for page in sorted((ROOT / "docs").rglob("*.md")) if list(run_page.blocks(page.read_text()))]


def run(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, run_page.__file__, str(page)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_readme_has_an_example() -> None:
    assert list(run_page.blocks(README.read_text()))


@pytest.mark.parametrize("page", [README, *DOCS], ids=shown)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    done = run(page, tmp_path)
    assert done.returncode == 0, done.stderr


def test_blocks_share_a_page_and_may_await(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport asyncio\nx = 1\n```\nwords\n"
        "<!-- not run: needs a server -->\n```python\nraise SystemExit(9)\n```\n"
        "- in a list\n\n  ```python\n  await asyncio.sleep(0)\n  assert x == 1\n  ```\n"
        "```console\nnot python\n```\n"
    )
    assert run(page, tmp_path).returncode == 0


def test_a_broken_example_is_reported_with_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("one\n\n```python\nx = 1\nassert x == 2\n```\n")
    done = run(page, tmp_path)
    assert done.returncode != 0
    assert f'{page}", line 5' in done.stderr
