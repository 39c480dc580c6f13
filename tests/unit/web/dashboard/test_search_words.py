"""The filter of the jobs page says in words what a span of time means: in its chips and in the hint below them."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from tests.unit.web.support import Lab


def present_job(http: httpx.Client, q: str) -> str:
    page = http.get("/jobs", params={"q": q}, headers={"accept": "text/html"}, follow_redirects=True)
    assert page.status_code == 200
    return html.unescape(re.sub(r"<[^>]+>", "", page.text))


@pytest.mark.parametrize(
    ("q", "words"),
    [
        ("created:>2h", "created in the last 2 hours"),
        ("age:>2h", "created more than 2 hours ago"),
        ("not created:>1d", "not created in the last day"),
    ],
)
def test_a_span_is_described_in_words(lab: Lab, http: httpx.Client, q: str, words: str) -> None:
    lab.add()
    text = present_job(http, q)
    assert words in text
    assert f"{words[0].upper()}{words[1:]} (" in text


def test_the_last_twelve_characters_of_an_id_find_its_job(lab: Lab, http: httpx.Client) -> None:
    first, second = lab.add(2)
    for q in (first[-12:], f"id:{first[-12:]}"):
        found = http.get("/api/v1/jobs", params={"q": q}).json()["items"]
        assert [job["id"] for job in found] == [first]
    assert second


def test_a_mistake_is_marked_and_its_correction_is_a_link_without_scripts(
    lab: Lab, http: httpx.Client
) -> None:
    lab.add(3, queue="cure")
    params = {"q": "queue:cure stat:enqueued", "last": "queue:cure"}
    page = http.get("/jobs", params=params, headers={"accept": "text/html"})
    assert page.status_code == 422
    assert "queue:cure <mark>stat</mark>:enqueued" in page.text
    text = html.unescape(re.sub(r"<[^>]+>", "", page.text))
    said = "There is no field stat (characters 12–15). Did you mean state:enqueued? That finds 3 jobs."
    assert said in text
    assert "Still showing your last valid query, 3 jobs: queue:cure" in text
    found = re.search(r'href="([^"]+)">state:enqueued</a>', page.text)
    assert found is not None
    cured = http.get(html.unescape(found[1]), headers={"accept": "text/html"}, follow_redirects=True)
    assert cured.status_code == 200
    assert cured.text.count('<tr role="row" id="row-') == 3


def test_a_correction_is_not_counted_while_there_is_another_mistake(lab: Lab, http: httpx.Client) -> None:
    page = http.get("/jobs", params={"q": "stat:failed tpye:x"}, headers={"accept": "text/html"})
    text = html.unescape(re.sub(r"<[^>]+>", "", page.text))
    assert "Did you mean state:failed?" in text
    assert "That finds" not in text
