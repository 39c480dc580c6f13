"""The filter of the jobs page says in words what a span of time means: in its chips and in the hint below them."""

from __future__ import annotations

import html
import re

import httpx
import pytest

from tests.unit.web.support import Lab


def shown(http: httpx.Client, q: str) -> str:
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
def test_a_span_is_told_in_words(lab: Lab, http: httpx.Client, q: str, words: str) -> None:
    lab.add()
    text = shown(http, q)
    assert words in text
    assert f"{words[0].upper()}{words[1:]} (" in text


def test_the_last_twelve_characters_of_an_id_find_its_job(lab: Lab, http: httpx.Client) -> None:
    first, second = lab.add(2)
    for q in (first[-12:], f"id:{first[-12:]}"):
        found = http.get("/api/v1/jobs", params={"q": q}).json()["items"]
        assert [job["id"] for job in found] == [first]
    assert second
