"""The number above a list of jobs counts what the search says, a state in its text included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.web.support import Lab, served


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    for job in lab.add(5)[:2]:
        lab.client.handle(job).cancel()
    yield lab
    lab.close()


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ("state:cancelled", 2),
        ("(state:cancelled OR priority:7)", 2),
        ("NOT state:cancelled", 3),
        ("type:count_to", 5),
    ],
)
def test_the_sentence_counts_what_the_search_says(lab: Lab, search: str, count: int) -> None:
    with served(lab) as url:
        page = httpx.get(
            f"{url}/jobs", params={"q": search}, headers={"Accept": "text/html"}, follow_redirects=True
        )
    assert page.status_code == 200
    assert re.findall(r"(\d+) jobs? match", page.text.partition("<body")[2])[0] == str(count)
    assert f"{count} jobs match" in page.text.partition("<title>")[2].partition("</title>")[0]
