"""Numbers, tabs, chips and page links of a list, each with the search in canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from holdfast.client.jobs import CAP, Jobs
from holdfast.client.views import CountView
from holdfast.core.query import Query
from holdfast.web.dashboard.format import number
from holdfast.web.dashboard.looks import LOOKS, TABS, Look
from holdfast.web.dashboard.view import View


@dataclass(frozen=True, slots=True)
class Tab:
    """One state tab with its count, None when it is not known."""

    word: str
    href: str
    count: CountView | None
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
    """Links to other pages; "" = there is none. `total`: the number of all, behind `text`."""

    text: str
    total: str
    first: str
    previous: str
    next: str


@dataclass(frozen=True, slots=True)
class SortLink:
    """A column head that sorts."""

    word: str
    href: str
    order: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many jobs a list and each of its tabs have; None where it is not known. Hint, tabs, selection and pager read it
    here.

    `base`: the search without the state that its text names. `current`: the tabs that are open, none for all jobs.
    """

    base: str
    current: tuple[str, ...]
    tabs: Mapping[str, CountView | None]
    every: CountView | None
    listed: CountView | None

    @property
    def text(self) -> str:
        """The number of the list: 12,431, or 10,000+; "" when it is not known."""
        return "" if self.listed is None else number(self.listed.count) + ("+" if self.listed.capped else "")


def numbers_of(jobs: Jobs, query: Query, full: Query, state: str, zone: tzinfo) -> Numbers:
    """The numbers of a search with the tab `state` open ("" = none: then a state in its text opens one). `full`: the search
    of the list itself, with that state."""
    named = () if state else query.states
    base = query.without_field("state") if named else query.text
    current = (state,) if state else named
    tabs: dict[str, CountView] = jobs.count_by_state(query)
    if base:
        every = jobs.count(jobs.query(base, zone=zone) if named else query)
    else:  # nothing but states is asked for, and those are counted without an end
        states = jobs.states()
        tabs |= {name: CountView(count=count) for name, count in states.items()}
        every = CountView(count=sum(states.values()))
    listed = every
    if current:
        exact = not base and len(current) == 1 and current[0] in tabs
        listed = tabs[current[0]] if exact else jobs.count(full)
        if len(current) == 1:
            tabs[current[0]] = listed
    return Numbers(
        base,
        current,
        {
            name: None if count.capped and not count.count else _known(count, query)
            for name, count in tabs.items()
        },
        _known(every, query),
        _known(listed, full),
    )


def _known(count: CountView, query: Query) -> CountView | None:
    """A count that came to no end because terms without an index had to be tried job by job says nothing."""
    return None if count.capped and query.unindexed and count.count < CAP else count


def tabs_of(numbers: Numbers, view: View) -> list[Tab]:
    """The tabs with their numbers; each leads to the search with its state in place of that in the text."""
    q = numbers.base
    tabs = [Tab("All", view.url("jobs", q=q), numbers.every, not numbers.current)]
    for key in TABS:
        href = view.url("jobs", q=q, state=key)
        tabs.append(Tab(LOOKS[key].word, href, numbers.tabs.get(key), key in numbers.current, LOOKS[key]))
    return tabs


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
