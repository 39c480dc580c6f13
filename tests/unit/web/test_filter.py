"""The filters of an address and its search text mean one search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidQuery
from holdfast.web.api.search import Filter, filter_of
from tests.unit.web.support import Lab

names = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters=","), min_size=1, max_size=30
).filter(str.strip)


def text(lab: Lab, wanted: Filter) -> str:
    return wanted.query(lab.parts.overview).text


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
def test_any_name_finds_itself_only(lab: Lab, name: str) -> None:
    stripped = name.strip()
    query = filter_of(queue=[name]).query(lab.parts.overview)
    [chip] = query.terms()
    assert query.without(chip) == ""
    assert query.root == filter_of(queue=[stripped]).query(lab.parts.overview).root
    assert stripped in repr(query.root) or repr(stripped)[1:-1] in repr(query.root)


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
        filter_of(**wanted).query(lab.parts.overview)  # type: ignore[arg-type]
    assert caught.value.problems[0].loc == loc
