"""A list of jobs has one number: hint, title, open tab, selection and pager tell the same, a state in the text included."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from holdfast.web.dashboard.jobs import list_page
from tests.unit.web.support import Lab, served

PAGE = 4


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(list_page, "PAGE_SIZE", PAGE)
    lab = Lab(tmp_path)
    jobs = lab.add(11)
    for job in jobs[:5]:
        lab.client.jobs.handle(job).cancel()
    yield lab
    lab.close()


class ListPage:
    """What a page of the list says."""

    def __init__(self, lab: Lab, **query: str) -> None:
        with served(lab) as url:
            answer = httpx.get(
                f"{url}/jobs", params=query, headers={"Accept": "text/html"}, follow_redirects=True
            )
        self.status, self.source = answer.status_code, answer.text
        self.text = html.unescape(re.sub(r"<[^>]+>", "", answer.text))
        nav = answer.text.partition('id="tabs"')[2].partition("</nav>")[0]
        self.tabs = {
            html.unescape(re.sub(r"<span.*|<svg.*?</svg>", "", inner)): (href, "aria-current" in href)
            for href, inner in re.findall(r"<a ([^>]*)>(.*?)</a>", nav)
        }
        self.totals = re.findall(r"data-total-of>([^<]*)<", answer.text)

    @property
    def open_tabs(self) -> list[str]:
        return [word for word, (_, current) in self.tabs.items() if current]


@pytest.mark.parametrize(
    ("query", "count", "open_tabs"),
    [
        ({"q": "state:cancelled"}, 5, ["Cancelled"]),
        ({"q": "type:count_to state:cancelled"}, 5, ["Cancelled"]),
        ({"q": "type:count_to", "state": "cancelled"}, 5, ["Cancelled"]),
        ({"q": "state:enqueued,cancelled"}, 11, ["Queued", "Cancelled"]),
        ({"q": "(state:cancelled OR priority:7)"}, 5, ["All"]),
        ({"q": "NOT state:cancelled"}, 6, ["All"]),
        ({"q": "type:count_to"}, 11, ["All"]),
    ],
)
def test_every_part_of_the_page_shows_the_number_of_the_list(
    lab: Lab, query: dict[str, str], count: int, open_tabs: list[str]
) -> None:
    page = ListPage(lab, **query)
    assert page.status == 200
    assert page.open_tabs == open_tabs
    assert page.totals == [str(count)] * 3, "hint, selection, pager"
    assert f'data-total="{count}"' in page.source
    assert f"{count} match" in page.source.partition("</title>")[0]
    assert f"1–{PAGE} of {count}" in page.text


def test_a_tab_takes_the_place_of_the_state_in_the_text(lab: Lab) -> None:
    page = ListPage(lab, q="type:count_to state:cancelled")
    assert "q=type%3Acount_to&amp;state=enqueued" in page.tabs["Queued"][0]
    assert "state" not in page.tabs["All"][0].partition("jobs?")[2]


def test_the_tabs_count_every_job_of_a_state(lab: Lab) -> None:
    assert "All11" in ListPage(lab).text.replace("\n", "")
    assert "Cancelled5" in ListPage(lab).text


def test_a_search_that_is_not_counted_says_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an index the store gives up after so many jobs: there is no number then, and none is shown."""
    monkeypatch.setattr("holdfast.storage.page_query.BUDGET_ROWS", 2)
    monkeypatch.setattr("holdfast.storage.page_query.COUNT_ROWS", 2)
    monkeypatch.setattr("holdfast.storage.sqlite.scan.WINDOW", 1)
    monkeypatch.setattr("holdfast.storage.sqlite.scan.WINDOW_MOST", 1)
    page = ListPage(lab, q="args.n:0")
    assert page.status == 200
    assert "0+" not in page.text
    assert "has no index" in page.text
    assert "matches are not counted" in page.text
    assert page.totals == []
    assert "Search on" in page.text or "Select all that match" in page.text


def test_a_search_that_cannot_be_read_leaves_the_last_one_standing(lab: Lab) -> None:
    page = ListPage(lab, q="stat:failed", last="state:cancelled", text="1")
    assert page.status == 422
    assert "<mark>stat</mark>" in page.source or "<mark>stat:failed</mark>" in page.source
    assert "Still showing your last valid query, 5 jobs: state:cancelled" in page.text
    assert page.source.count('id="row-') == PAGE
    assert "No job matches" not in page.text
