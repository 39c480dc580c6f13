"""What the documentation repeats of the code is as the code is now, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from holdfast.client.views import JobView
from tests.guards.tree import PACKAGE, ROOT, shown

SCRIPT = ROOT / "scripts" / "docs.py"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("holdfast_docs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_repeats_the_code_is_current() -> None:
    # a process of its own: which errors exist depends on what is imported
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_is_behind_is_seen(script: ModuleType) -> None:
    text = "by hand\n<!-- made from the code: transitions -->\nold\n<!-- end -->\nby hand too\n"
    made = script.current(text)
    assert made.startswith("by hand\n")
    assert made.endswith("<!-- end -->\nby hand too\n")
    assert "| `claim` | `enqueued` | `processing` |" in made
    assert script.current(made) == made


def test_every_part_is_shown_somewhere(script: ModuleType) -> None:
    text = "".join(page.read_text() for page in PAGES)
    missing = [name for name in script.PARTS if f"<!-- made from the code: {name} -->" not in text]
    assert not missing


def test_every_field_of_a_job_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "rest.md").read_text()
    missing = [name for name in JobView.model_fields if f"`{name}`" not in page]
    assert JobView.model_fields
    assert not missing


def anchors(page: Path) -> set[str]:
    """The names by which headings of a page are linked to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    broken: list[str] = []
    found = 0
    for page in PAGES:
        for target, anchor in LINK.findall(page.read_text()):
            found += 1
            path = (page.parent / target).resolve() if target else page
            if not path.exists() or (anchor and anchor not in anchors(path)):
                broken.append(f"{shown(page)}: {target}{'#' + anchor if anchor else ''}")
    assert found > 20
    assert not broken, "\n".join(broken)


PLACE = re.compile(r"`([\w/]+\.py)`(?:\s+`([\w.]+)`)?")


def test_internals_name_what_is_there() -> None:
    page = ROOT / "docs" / "internals.md"
    missing: list[str] = []
    found = PLACE.findall(page.read_text())
    for name, thing in found:
        roots = [folder / name for folder in (ROOT, PACKAGE) if (folder / name).is_file()]
        inside = [path for path in PACKAGE.rglob("*.py") if path.as_posix().endswith(f"/{name}")]
        texts = [path.read_text() for path in roots or inside]
        last = thing.rpartition(".")[2]
        if not texts or (thing and not any(re.search(rf"\b{last}\b", text) for text in texts)):
            missing.append(f"{name} {thing}".strip())
    assert len(found) > 30
    assert not missing
