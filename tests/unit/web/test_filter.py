"""The filters of an address and its search text mean one search."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput, InvalidQuery
from holdfast.core.query import Text
from holdfast.core.query.canonical import quote
from holdfast.core.sizes import check_name
from holdfast.web.api.search import Filter, filter_of
from tests.unit.web.support import Lab


def _is_name(text: str) -> bool:
    try:
        check_name(text, loc=("queue",))
    except InvalidInput:
        return False
    return True


names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(_is_name)


def text(lab: Lab, wanted: Filter) -> str:
    return wanted.query(lab.client.jobs).text


def test_each_filter_is_a_term(lab: Lab) -> None:
    assert text(lab, filter_of()) == ""
    assert text(lab, filter_of("invoice", state=["failed,cancelled"])) == "invoice state:failed,cancelled"
    assert text(lab, filter_of(type=["a", "b"], queue=["mail"])) == "type:a,b queue:mail"
    assert text(lab, filter_of(owner=["me"])) == 'owner:"me"'
    assert text(lab, filter_of(type=["report.*"])) == 'type:"report.*"'


def test_a_list_of_tags_is_any_and_repeated_tags_are_all(lab: Lab) -> None:
    assert text(lab, filter_of(tag=["eu,us", "urgent"])) == "tag:eu,us tag:urgent"


def test_or_stays_within_its_text(lab: Lab) -> None:
    assert text(lab, filter_of("type:a OR type:b", state=["failed"])) == "(type:a OR type:b) state:failed"
    with pytest.raises(InvalidQuery):
        text(lab, filter_of("a) OR (b", state=["failed"]))


@given(names)
def test_any_name_that_can_be_enqueued_finds_itself_only(lab: Lab, name: str) -> None:
    query = filter_of(queue=[quote(name)]).query(lab.client.jobs)
    assert query.root == Text("queue", (name,))
    [chip] = query.terms()
    assert query.without(chip) == ""
    if "," not in name and not name.startswith('"'):
        assert filter_of(queue=[f" {name} "]).query(lab.client.jobs).root == query.root


def test_a_value_with_a_comma_goes_in_quotes(lab: Lab) -> None:
    query = filter_of(queue=['"a,b", c,"d\\"e"']).query(lab.client.jobs)
    assert query.root == Text("queue", ("a,b", "c", 'd"e'))


@pytest.mark.parametrize("name", ["state", "type", "queue", "owner", "tag"])
@pytest.mark.parametrize("value", ["", " ", ",", "a,", ",a", "a, ,b", '""', "\u2003", "\x1c"])
def test_a_filter_without_a_value_is_an_error_and_never_no_filter(lab: Lab, name: str, value: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        filter_of(**{name: [value]}).query(lab.client.jobs)  # type: ignore[arg-type]
    assert caught.value.problems[0].loc == (name,)


@pytest.mark.parametrize("q", [" ", "\u2003", "\t ", "\u2028"])
def test_a_search_of_blanks_is_an_error_and_never_no_filter(lab: Lab, q: str) -> None:
    with pytest.raises(InvalidQuery):
        filter_of(q).query(lab.client.jobs)


@pytest.mark.parametrize(
    ("wanted", "loc"),
    [
        ({"state": ["nope"]}, ("state",)),
        ({"queue": ["a\x00b"]}, ("queue",)),
        ({"owner": ["\ud800"]}, ("owner",)),
        ({"q": "stat:failed"}, ("q", 0, 4)),
        ({"q": "x" * 2_001}, ("q", 2_000, 2_001)),
        ({"tag": ["a,b"] * 40}, ("query",)),
    ],
)
def test_a_mistake_has_its_place(lab: Lab, wanted: dict[str, list[str]], loc: tuple[str | int, ...]) -> None:
    with pytest.raises(InvalidQuery) as caught:
        filter_of(**wanted).query(lab.client.jobs)  # type: ignore[arg-type]
    assert caught.value.problems[0].loc == loc


@pytest.mark.parametrize(
    "asked", ["state=bogus", "state=+", "q=+", "add=%1C", "q=%E2%80%A8", "q=queue:%22+a%22"]
)
def test_the_page_of_jobs_never_takes_a_wrong_filter_for_none(
    lab: Lab, http: httpx.Client, asked: str
) -> None:
    [job] = lab.add()
    page = http.get(f"/jobs?{asked}", follow_redirects=True)
    assert page.status_code == 422
    assert f"row-{job}" not in page.text


def test_a_live_page_never_takes_a_wrong_state_for_none(http: httpx.Client) -> None:
    assert http.get("/live?state=bogus&once=1").status_code == 422


@pytest.mark.parametrize("name", ["a\u202eb", " a", "a ", "a\x85", "\u2028", ".", ".."])
def test_what_is_no_name_is_refused_wherever_it_is_given(lab: Lab, http: httpx.Client, name: str) -> None:
    refused = [
        http.post("/api/v1/jobs", json={"type": "count_to", "queue": name}),
        http.post("/api/v1/jobs", json={"type": "count_to", "owner": name}),
        http.post("/api/v1/jobs", json={"type": "count_to", "tags": ["fine", name]}),
        http.get("/api/v1/jobs", params={"q": f"queue:{quote(name)}"}),
        http.get("/api/v1/jobs", params={"queue": quote(name)}),
    ]
    assert [answer.status_code for answer in refused] == [422] * len(refused)
    with pytest.raises(InvalidInput):
        lab.client.queues.pause(name)
