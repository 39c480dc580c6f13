"""The list below the search box: what completes the text at the caret, whatever the text and the names are."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from holdfast.core.query import MAX_CHARS
from tests.unit.web.support import Lab, served

HOSTILE = '<img src=x onerror=1> "a,b" (c) *' + "x" * 60


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A store for each test: what is offered is kept for minutes."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()


@pytest.fixture
def http(lab: Lab) -> Iterator[httpx.Client]:
    with served(lab) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


def page(http: httpx.Client, before: str, after: str = "") -> str:
    answer = http.get("/complete", params={"before": before, "after": after})
    assert answer.status_code == 200
    return answer.text


def offered(http: httpx.Client, before: str, after: str = "") -> list[tuple[str, str]]:
    """What the text becomes with each option: before the caret, and behind it."""
    found = re.findall(r'data-head="([^"]*)" data-tail="([^"]*)"', page(http, before, after))
    return [(html.unescape(head), html.unescape(tail)) for head, tail in found]


def test_a_word_is_completed_to_fields_and_a_field_to_its_values(http: httpx.Client) -> None:
    assert offered(http, "type:x sta", "t x") == [("type:x state:", " x"), ("type:x started:", " x")]
    assert offered(http, "state:fai") == [("state:failed", "")]
    assert offered(http, "(-state:paused,canc", "e)") == [
        ("(-state:paused,cancelling", ")"),
        ("(-state:paused,cancelled", ")"),
    ]
    assert offered(http, "state:runn") == [("state:running", "")]


def test_values_are_matched_anywhere_and_kept_with_their_counts(lab: Lab, http: httpx.Client) -> None:
    lab.add(3, queue="mail")
    shown = page(http, "queue:ai")
    assert "m<mark>ai</mark>l" in shown
    assert "3 queued" in shown
    kept = page(http, "state:enq")
    lab.add(2)
    assert "state:enqueued" in kept
    assert '<span class="n">3</span>' in kept
    assert page(http, "state:enq") == kept


def test_a_mistake_offers_its_correction_first(http: httpx.Client) -> None:
    assert "There is no field stat (characters 1–4)." in page(http, "stat:failed", " x")
    assert offered(http, "stat:failed", " x") == [("state:failed x", "")]


def test_a_hostile_name_is_escaped_and_written_so_that_it_is_found(lab: Lab, http: httpx.Client) -> None:
    lab.add(1, queue=HOSTILE)
    assert "<img" not in page(http, "queue:img")
    ((found, _),) = offered(http, "queue:img")
    jobs = http.get("/api/v1/jobs", params={"q": found}).json()["items"]
    assert [job["queue"] for job in jobs] == [HOSTILE]


def test_many_names_make_a_short_list(lab: Lab, http: httpx.Client) -> None:
    for at in range(25):
        lab.add(1, queue=f"many-{at}")
    assert len(offered(http, "queue:many")) == 20


@pytest.mark.parametrize(
    "text", ["", " ", '"', "(((", ":", "-", "state:", "\0", "größe:", "İ", "a" * MAX_CHARS]
)
def test_any_text_has_a_bounded_list(http: httpx.Client, text: str) -> None:
    for before, after in ((text, ""), ("", text), (text, text)):
        assert len(offered(http, before, after)) <= 20


def test_a_text_too_long_for_a_search_has_no_list(http: httpx.Client) -> None:
    assert offered(http, "x " * (MAX_CHARS // 2) + "sta") == []
    assert offered(http, "x " * (MAX_CHARS // 2 - 2) + "sta") != []
