"""This exists so that tabs, chips and page links of a list are made in one place, each with the search in canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.client.views import CountView
from holdfast.core.query import Query
from holdfast.web.dashboard.format import number
from holdfast.web.dashboard.looks import LOOKS, TABS, Look
from holdfast.web.dashboard.view import View


@dataclass(frozen=True, slots=True)
class Tab:
    """One state tab with its count."""

    word: str
    href: str
    count: int
    capped: bool
    current: bool
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class ShownChip:
    """One term of the search; `without` = the link to the list without it."""

    text: str
    field: str
    value: str
    without: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Pager:
    """Links to other pages; "" = there is none."""

    text: str
    first: str
    previous: str
    next: str


@dataclass(frozen=True, slots=True)
class SortLink:
    """A column head that sorts."""

    word: str
    href: str
    order: str


def tabs_of(counts: Mapping[str, CountView], query: str, current: str, view: View) -> tuple[list[Tab], str]:
    """The tabs for a filter (its text without a state), and the total in words."""
    capped = any(counts[key].capped for key in counts if key != "retrying")
    total = sum(count.count for key, count in counts.items() if key != "retrying")
    tabs = [Tab("All", view.url("jobs", q=query), total, capped, not current)]
    for key in TABS:
        count = counts.get(key, CountView(count=0))
        tabs.append(
            Tab(
                LOOKS[key].word,
                view.url("jobs", q=query, state=key),
                count.count,
                count.capped,
                key == current,
                LOOKS[key],
            )
        )
    return tabs, number(total) + ("+" if capped else "")


def chips_of(query: Query, state: str, sort: str, view: View) -> list[ShownChip]:
    """The terms of a search as chips that can be taken away."""
    chips: list[ShownChip] = []
    for chip in query.terms():
        field, colon, value = chip.text.partition(":")
        plain = bool(colon) and field.replace("-", "").replace("_", "").replace(".", "").isalnum()
        if chip.words or not plain:
            field, value = "", chip.words or chip.text
        without = view.url("jobs", q=query.without(chip), state=state, sort=sort)
        chips.append(ShownChip(chip.text, field, value, without))
    return chips
