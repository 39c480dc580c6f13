"""Pages and counts of jobs, with the same meaning in every store; how matches are found is up to the store (`Source`,
`Scan`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from typing import Any, Protocol, TypeAlias

from holdfast.core.query import STATES, And, JobState, Node, Query, without_states
from holdfast.core.query.nodes import all_of
from holdfast.core.records import Count, JobRecord, Page
from holdfast.core.states import State
from holdfast.storage.cursors import Position, Sort, read_cursor, read_sort, write_cursor
from holdfast.storage.search import on_lanes

Row: TypeAlias = tuple[Any, ...]

FIRST, LAST = 0, 2**63 - 1
"""Bounds of seq which no job reaches."""
BUDGET_ROWS = 100_000
"""So many jobs an unindexed term, or a sort without an index, looks at before it answers with what it has."""
BUDGET_SECONDS = 2.0
COUNT_ROWS = 10_000
"""So many jobs a count by state tries a condition on where no index alone answers."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows in order, each beginning with its seq. `end`: the budget ended after this seq (None = all were looked at)."""

    rows: list[Row]
    looked: int
    end: int | None


class Scan(Protocol):
    """What matches one search, within one snapshot of the database."""

    def size(self, cap: int) -> int:
        """How many entries have to be looked at, counted up to `cap`."""
        ...

    def find(
        self,
        columns: str = "",
        *,
        down: bool,
        low: int = FIRST,
        high: int = LAST,
        need: int = LAST,
        most: int | None = None,
        seconds: float = BUDGET_SECONDS,
    ) -> Found:
        """Up to `need` matches with `low` < seq < `high`, the newest first if `down`, each with `columns` (", jobs.a …").

        Looks at about `most` jobs and for about `seconds`; where the index alone answers neither is needed."""
        ...

    def count(self, cap: int, most: int | None) -> Count:
        """How many match, counted up to `cap`; `most` as in `find`, which `capped` then tells."""
        ...

    def by_run_at(self, after: tuple[int, int] | None, *, down: bool, need: int) -> list[Row]:
        """The scheduled jobs among the matches by (run_at, seq), beyond `after`, from the index of what is due."""
        ...


class Source(Protocol):
    """One snapshot of the jobs: all that is asked of it sees the same committed facts."""

    def scan(self, root: Node | None, *, led_by: Node | None = None) -> Scan:
        """The search for `root`; with `led_by`, a search that finds more, the entries of that one are tried."""
        ...

    def jobs(self, seqs: Sequence[int]) -> list[JobRecord]:
        """The jobs with these seqs, in this order."""
        ...


def page(source: Source, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
    """One page by key. Raises InvalidInput for an unknown sort and for a cursor that is not from this search.

    By `created` it is exact. So it is by the other keys when at most BUDGET_ROWS jobs have to be looked at, and by `run_at`
    also when only scheduled jobs are asked for; else the newest BUDGET_ROWS are sorted by themselves, then the next so many,
    and `searched` says so. A search with unindexed terms looks at about BUDGET_ROWS jobs, or for two seconds: then
    `searched` tells how many, and the cursor goes on behind them, even if the page is empty.
    """
    order = read_sort(sort)
    place = read_cursor(cursor, sort=sort, text=query.text) if cursor else Position()
    if order.key is None:
        found = _by_seq(source, query, order, place, limit)
    else:
        found = _by_key(source, query, order, order.key, place, limit)
    if place.back and found.before is None and not found.rows:  # what was before is gone
        return page(source, query, sort=sort, limit=limit, cursor=None)
    items = source.jobs([row[0] for row in found.rows])
    after, before = (
        at and write_cursor(at, sort=sort, text=query.text) for at in (found.after, found.before)
    )
    return Page(items, after, before, found.searched)


def count(source: Source, query: Query, *, cap: int) -> Count:
    """How many jobs match, counted up to `cap`; with unindexed terms on BUDGET_ROWS jobs at most, which `capped` tells."""
    return source.scan(query.root).count(cap, BUDGET_ROWS if query.unindexed else None)


def count_by_state(source: Source, query: Query, *, cap: int) -> dict[str, Count]:
    """The same for each state, and for "retrying", whatever states the query itself asks for at its top.

    Where no index alone answers, it tries the condition on COUNT_ROWS jobs, and on those of the rarest states, COUNT_ROWS
    together; for the others `capped` tells that there may be more.
    """
    names = (*(state.value for state in State), "retrying")
    rest = without_states(query.root)
    if on_lanes(rest):
        return {name: source.scan(_and_state((name,), rest)).count(cap, COUNT_ROWS) for name in names}
    found = source.scan(rest).find(", jobs.state, jobs.reason", down=True, most=COUNT_ROWS)
    tally = _tally(found.rows)
    counts = {
        name: Count(min(tally[name], cap), found.end is not None or tally[name] > cap) for name in names
    }
    if found.end is None or query.unindexed:
        return counts
    rare = _rare(source)
    if not rare:
        return counts
    leaf = _and_state(rare, None)
    found = source.scan(_and_state(rare, rest), led_by=leaf).find(", jobs.state, jobs.reason", down=True)
    tally = _tally(found.rows)
    for name in (*rare, "retrying") if State.SCHEDULED in rare else rare:
        counts[name] = Count(min(tally[name], cap), found.end is not None or tally[name] > cap)
    return counts


def _tally(rows: Sequence[Row]) -> Counter[str]:
    """The number of rows (seq, state, reason) by state, and of those that are to be tried again."""
    tally = Counter(state for _, state, _ in rows)
    again = STATES["retrying"]
    tally["retrying"] = sum(state == again.state and reason == again.reason for _, state, reason in rows)
    return tally


def _rare(source: Source) -> list[str]:
    """The states that have the fewest jobs, fewer than COUNT_ROWS together."""
    sizes = {state.value: source.scan(_and_state((state.value,), None)).size(COUNT_ROWS) for state in State}
    rare = sorted(sizes, key=lambda name: sizes[name])
    while sum(sizes[name] for name in rare) >= COUNT_ROWS:
        rare.pop()
    return rare


def _and_state(names: Sequence[str], rest: Node | None) -> Node:
    leaf = JobState(tuple(STATES[name] for name in names))
    return leaf if rest is None else all_of((leaf, rest))


@dataclass(frozen=True, slots=True)
class _Found:
    """A page before it is written: rows that begin with a seq, and the places behind and before them."""

    rows: list[Row]
    after: Position | None
    before: Position | None
    searched: int | None


def _by_seq(source: Source, query: Query, order: Sort, place: Position, limit: int) -> _Found:
    down = order.descending != place.back
    at = place.seq
    low, high = (FIRST, LAST) if at is None else (FIRST, at) if down else (at, LAST)
    most = BUDGET_ROWS if query.unindexed else None
    found = source.scan(query.root).find(down=down, low=low, high=high, need=limit + 1, most=most)
    rows = found.rows[:limit]
    searched = None if found.end is None else found.looked
    on = rows[-1][0] if len(found.rows) > limit else found.end
    beyond = None if on is None else Position(on, back=place.back)
    if rows:
        turned = Position(rows[0][0], back=not place.back)
    else:  # from where this page began, what stands there included
        turned = None if at is None else Position(at - 1 if down else at + 1, back=not place.back)
    if place.back:
        return _Found(rows[::-1], turned, beyond, searched)
    return _Found(rows, beyond, None if at is None else turned, searched)


def _by_key(source: Source, query: Query, order: Sort, key: str, place: Position, limit: int) -> _Found:
    sign = -1 if order.descending else 1
    scan = source.scan(query.root)
    high = LAST if place.high is None else place.high
    if order.name == "run_at" and _only_scheduled(query.root) and scan.size(BUDGET_ROWS) >= BUDGET_ROWS:
        after = None if place.seq is None or place.key is None else (place.key, place.seq)
        rows = scan.by_run_at(after, down=order.descending != place.back, need=limit + 1)
        return _cut(rows, place, limit, place.low, high, None)
    columns = f", {key}"
    if place.low is None:
        found = scan.find(columns, down=True, high=high, most=BUDGET_ROWS)
        low = None if found.end is None else found.end - 1
    else:  # the same jobs as on the first page, however long that takes
        low = place.low
        found = scan.find(columns, down=True, low=low, high=high, seconds=float("inf"))

    def rank(seq: int, value: int | None) -> tuple[bool, int, int]:
        return value is None, 0 if value is None else sign * value, sign * seq

    rows = found.rows
    if place.seq is not None:
        here = rank(place.seq, place.key)
        rows = [row for row in rows if (rank(*row) < here if place.back else rank(*row) > here)]
    pick = nlargest if place.back else nsmallest
    return _cut(pick(limit + 1, rows, key=lambda row: rank(*row)), place, limit, low, high, found.looked)


def _cut(
    rows: list[Row], place: Position, limit: int, low: int | None, high: int, looked: int | None
) -> _Found:
    """The page of these rows, which go on in the direction of `place`; `low` None = all older jobs were sorted along."""
    more = len(rows) > limit
    rows = rows[:limit][::-1] if place.back else rows[:limit]
    above = None if high == LAST else high

    def at(row: Row, back: bool) -> Position:
        return Position(row[0], row[1], back, low, above)

    after = at(rows[-1], False) if rows and (more or place.back) else None
    before = at(rows[0], True) if rows and (more if place.back else place.seq is not None) else None
    if after is None and not place.back and low is not None:
        after = Position(high=low + 1)  # the next older jobs, sorted by themselves
    return _Found(rows, after, before, None if low is None else looked)


def _only_scheduled(root: Node | None) -> bool:
    items = root.items if isinstance(root, And) else (root,)
    states = [item for item in items if isinstance(item, JobState)]
    return any(all(asked.state is State.SCHEDULED for asked in item.any_of) for item in states)
