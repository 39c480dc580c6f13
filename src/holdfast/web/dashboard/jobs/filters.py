"""Counts, tabs, chips and page links of the list, each with the search in canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from holdfast.client.jobs import CAP, Jobs
from holdfast.client.views import CountView
from holdfast.core.query import Query
from holdfast.web.dashboard.format import number
from holdfast.web.dashboard.state_styles import STATE_STYLES, TABS, StateStyle
from holdfast.web.dashboard.viewer_prefs import View


@dataclass(frozen=True, slots=True)
class Tab:
    """One state tab with its count, None when that is not known."""

    word: str
    href: str
    count: CountView | None
    current: bool
    style: StateStyle | None = None


@dataclass(frozen=True, slots=True)
class Chip:
    """One term of the search. `without`: the link to the list without it."""

    text: str
    field: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Pager:
    """Links to other pages, "" = there is none. `total`: the number of all, after `text`."""

    text: str
    total: str
    first: str
    previous: str
    next: str


@dataclass(frozen=True, slots=True)
class SortLink:
    """A column head that sorts."""

    label: str
    href: str
    order: str


@dataclass(frozen=True, slots=True)
class ListCounts:
    """How many jobs match in all, in each tab and in the list itself; None where that is not known. Hint, tabs, selection
    and pager show these.

    `base`: the search without the state that its text names. `current`: the tabs that are open, none for all jobs.
    """

    base: str
    current: tuple[str, ...]
    tabs: Mapping[str, CountView | None]
    all: CountView | None
    listed: CountView | None

    @property
    def text(self) -> str:
        """The count of the list: 12,431, or 10,000+, "" when it is not known."""
        return "" if self.listed is None else number(self.listed.count) + ("+" if self.listed.capped else "")


def list_counts(jobs: Jobs, query: Query, full: Query, state: str, zone: tzinfo) -> ListCounts:
    """The counts of a search with the tab `state` open ("" = none: then a state in its text opens one). `full`: the search
    of the list itself, with that state."""
    named = () if state else query.states
    base = query.without_field("state") if named else query.text
    current = (state,) if state else named
    tabs: dict[str, CountView] = jobs.count_by_state(query)
    if base:
        every = jobs.count(jobs.query(base, zone=zone) if named else query)
    else:  # a search for nothing but states, which are counted without a limit
        states = jobs.states()
        tabs |= {name: CountView(count=count) for name, count in states.items()}
        every = CountView(count=sum(states.values()))
    listed = every
    if current:
        exact = not base and len(current) == 1 and current[0] in tabs
        listed = tabs[current[0]] if exact else jobs.count(full)
        if len(current) == 1:
            tabs[current[0]] = listed
    return ListCounts(
        base,
        current,
        {
            name: None if count.capped and not count.count else _or_unknown(count, query)
            for name, count in tabs.items()
        },
        _or_unknown(every, query),
        _or_unknown(listed, full),
    )


def _or_unknown(count: CountView, query: Query) -> CountView | None:
    """None for a count that stopped early because terms without an index had to be tried job by job."""
    return None if count.capped and query.unindexed and count.count < CAP else count


def tabs_of(counts: ListCounts, view: View) -> list[Tab]:
    """The tabs with their counts; each leads to the search with its state in place of that in the text."""
    q = counts.base
    tabs = [Tab("All", view.url("jobs", q=q), counts.all, not counts.current)]
    for key in TABS:
        href = view.url("jobs", q=q, state=key)
        tabs.append(
            Tab(STATE_STYLES[key].word, href, counts.tabs.get(key), key in counts.current, STATE_STYLES[key])
        )
    return tabs


def chips_of(query: Query, state: str, sort: str, view: View) -> list[Chip]:
    """The terms of a search as chips that can be removed."""
    chips: list[Chip] = []
    for chip in query.terms():
        field, colon, value = chip.text.partition(":")
        plain = bool(colon) and field.replace("-", "").replace("_", "").replace(".", "").isalnum()
        if chip.words or not plain:
            field, value = "", chip.words or chip.text
        without = view.url("jobs", q=query.without(chip), state=state, sort=sort)
        chips.append(Chip(chip.text, field, value, without))
    return chips
