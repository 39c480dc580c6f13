"""This exists so that lists and counts of jobs are found in the embedded database in bounded time, whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from typing import TypeAlias

import apsw

from holdfast.core.query import STATES, And, JobState, Node, Not, Or, Query
from holdfast.core.query.nodes import all_of
from holdfast.core.records import Count, JobRecord, Page
from holdfast.core.states import State
from holdfast.storage.paging import Position, Sort, read_cursor, read_sort, write_cursor
from holdfast.storage.sqlite.dialect import SqliteCompiler
from holdfast.storage.sqlite.runs import FIRST, LAST, Planner, on_lanes
from holdfast.storage.sqlite.scan import Row, Scan
from holdfast.storage.sqlite.statements import JOB_COLUMNS

SQLiteValue: TypeAlias = str | int | float | None

BUDGET_ROWS = 100_000
"""So many jobs an unindexed term, or a sort without an index, looks at before it answers with what it has."""
COUNT_ROWS = 10_000
"""So many jobs a count by state tries a condition on where no index alone answers."""


def condition(query: Query | None) -> tuple[str, list[SQLiteValue]]:
    """A WHERE expression on `jobs` ("1" when everything matches) and its parameters; safe to be joined by AND."""
    if query is None or query.root is None:
        return "1", []
    text, values = SqliteCompiler().compile(query.root)
    return f"({text})", list(values)


def page(db: apsw.Connection, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
    """One page by key. Raises InvalidInput for an unknown sort and for a cursor that is not from this search.

    By `created` it is exact. So it is by the other keys when at most BUDGET_ROWS jobs have to be looked at, and by `run_at`
    also when only scheduled jobs are asked for; else the newest BUDGET_ROWS are sorted by themselves, then the next so many,
    and `searched` says so. A search with unindexed terms looks at about BUDGET_ROWS jobs, or for two seconds: then
    `searched` tells how many, and the cursor goes on behind them, even if the page is empty.
    """
    order = read_sort(sort)
    place = read_cursor(cursor, sort=sort, text=query.text) if cursor else Position()
    with _snapshot(db):
        if order.key is None:
            found = _by_seq(db, query, order, place, limit)
        else:
            found = _by_key(db, query, order, order.key, place, limit)
        if place.back and found.before is None and not found.rows:  # what was before is gone
            return page(db, query, sort=sort, limit=limit, cursor=None)
        items = _jobs(db, [row[0] for row in found.rows])
    after, before = (
        at and write_cursor(at, sort=sort, text=query.text) for at in (found.after, found.before)
    )
    return Page(items, after, before, found.searched)


def count(db: apsw.Connection, query: Query, *, cap: int) -> Count:
    """How many jobs match, counted up to `cap`; with unindexed terms on BUDGET_ROWS jobs at most, which `capped` tells."""
    with _snapshot(db):
        return Scan(db, query.root).count(cap, BUDGET_ROWS if query.unindexed else None)


def count_by_state(db: apsw.Connection, query: Query, *, cap: int) -> dict[str, Count]:
    """The same for each state, and for "retrying", whatever states the query itself asks for at its top.

    Where no index alone answers, it tries the condition on COUNT_ROWS jobs, and on those of the rarest states, COUNT_ROWS
    together; for the others `capped` tells that there may be more.
    """
    names = (*(state.value for state in State), "retrying")
    rest = _without_states(query.root)
    with _snapshot(db):
        if on_lanes(rest):
            return {name: Scan(db, _and_state(name, rest)).count(cap, COUNT_ROWS) for name in names}
        tally = dict.fromkeys(names, 0)
        found = Scan(db, rest).find(", jobs.state, jobs.reason", down=True, most=COUNT_ROWS)
        for _, state, reason in found.rows:
            tally[state] += 1
            tally["retrying"] += STATES["retrying"].reason == reason and STATES["retrying"].state == state
        counts = {name: Count(min(n, cap), found.end is not None or n > cap) for name, n in tally.items()}
        if found.end is None or query.unindexed:
            return counts
        plans = {name: Planner(db).plan(_and_state(name, None)) for name in names}
        sizes = {name: plan.count(db, COUNT_ROWS) for name, plan in plans.items()}
        left = COUNT_ROWS
        for name in sorted(names, key=lambda name: sizes[name]):
            left -= sizes[name]
            if left <= 0:
                break
            counts[name] = Scan(db, _and_state(name, rest), plans[name]).count(cap, None)
        return counts


def _and_state(name: str, rest: Node | None) -> Node:
    leaf = JobState((STATES[name],))
    return leaf if rest is None else all_of((leaf, rest))


@contextmanager
def _snapshot(db: apsw.Connection) -> Generator[None]:
    """All statements within see the same committed facts."""
    with db:
        yield


@dataclass(frozen=True, slots=True)
class _Found:
    """A page before it is written: rows that begin with a seq, and the places behind and before them."""

    rows: list[Row]
    after: Position | None
    before: Position | None
    searched: int | None


def _by_seq(db: apsw.Connection, query: Query, order: Sort, place: Position, limit: int) -> _Found:
    down = order.descending != place.back
    at = place.seq
    low, high = (FIRST, LAST) if at is None else (FIRST, at) if down else (at, LAST)
    most = BUDGET_ROWS if query.unindexed else None
    found = Scan(db, query.root).find(down=down, low=low, high=high, need=limit + 1, most=most)
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


def _by_key(db: apsw.Connection, query: Query, order: Sort, key: str, place: Position, limit: int) -> _Found:
    sign = -1 if order.descending else 1
    scan = Scan(db, query.root)
    high = LAST if place.high is None else place.high
    if (
        order.name == "run_at"
        and _only_scheduled(query.root)
        and scan.plan.count(db, BUDGET_ROWS) >= BUDGET_ROWS
    ):
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


def _jobs(db: apsw.Connection, seqs: list[int]) -> list[JobRecord]:
    sql = f"SELECT {JOB_COLUMNS} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))"
    jobs = {row[0]: JobRecord._make(row) for row in db.execute(sql, (json.dumps(seqs),))}
    return [jobs[seq] for seq in seqs]


def _without_states(root: Node | None) -> Node | None:
    """The search without what it says at its top about states alone."""
    items = root.items if isinstance(root, And) else () if root is None else (root,)
    kept = [item for item in items if not _only_states(item)]
    return all_of(kept) if kept else None


def _only_states(node: Node) -> bool:
    match node:
        case JobState():
            return True
        case Not():
            return _only_states(node.item)
        case And() | Or():
            return all(_only_states(item) for item in node.items)
        case _:
            return False


def _only_scheduled(root: Node | None) -> bool:
    items = root.items if isinstance(root, And) else (root,)
    states = [item for item in items if isinstance(item, JobState)]
    return any(all(asked.state is State.SCHEDULED for asked in item.any_of) for item in states)
