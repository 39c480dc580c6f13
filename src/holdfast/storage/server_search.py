"""Plans a search on a database server by counting: it starts from the index entries that lead to the fewest jobs. A
server's own planner assumes that a rare match is spread evenly, and reads a million jobs to find none.

A *piece* is a part of an index in which `seq` is the last column behind fixed values, so that it is read in the order of
creation, forwards or backwards, from any place. What differs between servers is behind `Snapshot`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from holdfast.core.query import And, Glob, JobState, Node, Or, Present, Text, Time
from holdfast.core.query.nodes import all_of
from holdfast.core.records import Count, JobRecord
from holdfast.storage.page_query import BUDGET_SECONDS, FIRST, LAST, Found, Row
from holdfast.storage.search import UNKEPT, Compiler, Sql, after_prefix, is_of_lane, microseconds

SLACK = 600_000_000
"""By how much `created_at` may go back while `seq` goes on: ten minutes of clocks that differ."""
MANY_VALUES = 500
"""A prefix that fits more values than this is read as one piece of the index, which has to be sorted."""
LARGE = 10_000
"""Entries up to which such a piece is worth sorting."""
COMPARED = 20_000
"""Entries up to which plans are compared; two that are larger count as equal."""
MANY_PIECES = 64
"""Before a page of each of more pieces than these is read, MOST_LIKELY jobs are tried: often the page is among them."""
MOST_LIKELY = 2_048
WINDOW = 256
"""Jobs that are tried at once, at first: few, because their arguments may be large."""
WINDOW_MOST = 32_768
WINDOW_SECONDS = 0.1
"""Windows grow while one takes less than this."""

Family: TypeAlias = Literal["all", "lane", "owner", "tag", "id", "owners", "tags", "ids"]
"""Whose entries a piece has: all jobs; those of a (state, lane), an owner, a tag, an id; those of a range of names, from the
first up to the second, which are the only ones not in the order of seq."""


class Lane(NamedTuple):
    """The jobs of one lane in one state, and how many they are."""

    key: int
    queue: str
    type: str
    state: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Entries of an index with `low` < seq < `high`. `entries`: how many the whole piece has, where that is known."""

    family: Family
    key: tuple[str | int, ...] = ()
    low: int = FIRST
    high: int = LAST
    entries: int | None = None

    def between(self, low: int, high: int) -> Piece:
        """What of it lies between these as well."""
        if low <= self.low and high >= self.high:
            return self
        return replace(self, low=max(self.low, low), high=min(self.high, high), entries=None)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to look. `rest`: what has to be tried on each entry; None, each is a match. `disjoint`: no job is met twice."""

    pieces: tuple[Piece, ...]
    rest: Node | None = None
    disjoint: bool = True

    def between(self, low: int, high: int) -> Plan:
        """What of it lies between these as well; pieces that cannot have anything are left out."""
        pieces = (piece.between(low, high) for piece in self.pieces)
        return replace(self, pieces=tuple(piece for piece in pieces if piece.low < piece.high - 1))


class Window(NamedTuple):
    """The matches among the next entries. `end`: the last seq that was looked at, None when nothing is left behind it."""

    rows: list[Row]
    looked: int
    end: int | None


class Snapshot(ABC):
    """The jobs as one transaction of a server sees them."""

    compiler: Compiler

    @abstractmethod
    def lanes(self) -> Sequence[Lane]:
        """Every lane that has jobs in a state."""

    @abstractmethod
    def heads(self, pieces: Sequence[Piece], *, down: bool, need: int) -> list[Row]:
        """The first `need` seqs of all pieces together, each once, in order, as rows of one column."""

    @abstractmethod
    def window(
        self, pieces: Sequence[Piece], condition: Sql, columns: str, *, down: bool, share: int, need: int
    ) -> Window:
        """Try the condition on the next entries: as far as `share` entries of each piece reach for all of them."""

    @abstractmethod
    def entries(self, pieces: Sequence[Piece], cap: int) -> int:
        """How many entries the pieces have, counted up to `cap`."""

    @abstractmethod
    def names(self, family: Literal["owner", "tag"], prefix: str, limit: int) -> list[str]:
        """Up to `limit` owners or tags that begin with `prefix`, found without reading all of their jobs."""

    @abstractmethod
    def newest_fit(self, prefix: str) -> bool:
        """Whether the ids of some hundred of the newest jobs all begin with `prefix`."""

    @abstractmethod
    def ends(self, piece: Piece) -> tuple[int, int]:
        """The lowest and the highest seq of a piece that has entries."""

    @abstractmethod
    def first_since(self, at: int) -> int:
        """The first seq, by halving, whose job was created at `at` or later; one more than the last when none was."""

    @abstractmethod
    def by_run_at(self, condition: Sql, after: tuple[int, int] | None, *, down: bool, need: int) -> list[Row]:
        """As `pages.Scan.by_run_at`, for this condition."""

    @abstractmethod
    def jobs(self, seqs: Sequence[int]) -> list[JobRecord]:
        """The jobs with these seqs, in this order."""

    def scan(self, root: Node | None, *, led_by: Node | None = None) -> ServerScan:
        """As `pages.Source.scan`."""
        if led_by is None:
            return ServerScan(self, root, plan(self, root))
        return ServerScan(self, root, replace(plan(self, led_by), rest=root))


class ServerScan:
    """What matches one search (`pages.Scan`)."""

    def __init__(self, snapshot: Snapshot, root: Node | None, plan: Plan) -> None:
        self._snapshot = snapshot
        self._root = root
        self._condition = _compiled(snapshot, plan.rest)
        self._plan = plan

    def size(self, cap: int) -> int:
        return size(self._snapshot, self._plan, cap)

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
        plan = self._plan.between(low, high)
        if plan.rest is None and need < LAST and not columns:
            rows = self._first(plan.pieces, down, low, high, need)
            return Found(rows, len(rows), None)
        found: dict[int, Row] = {}
        plan, condition, share = self._gathered(plan)
        pieces, looked = plan.pieces, 0
        deadline = time.monotonic() + seconds
        while pieces:
            began = time.monotonic()
            window = self._snapshot.window(
                pieces, condition, columns, down=down, share=share, need=need - len(found)
            )
            found.update((row[0], row) for row in window.rows)
            looked += window.looked
            if window.end is None or len(found) >= need:
                break
            ended = time.monotonic()
            if ended > deadline or (most is not None and looked >= most):
                return Found(_in_order(found, down, need), looked, window.end)
            if ended - began > WINDOW_SECONDS:
                share = max(1, share // 2)
            elif 4 * window.looked <= WINDOW_MOST:
                share *= 4
            if most is not None and len(pieces) == 1:
                share = min(share, most - looked)
            outer = (FIRST, window.end) if down else (window.end, LAST)
            pieces = plan.between(*outer).pieces
        return Found(_in_order(found, down, need), looked, None)

    def _gathered(self, plan: Plan) -> tuple[Plan, Sql, int]:
        """The plan, what is tried, and how many entries of each piece at first.

        Windows over many pieces end where the first of them ends, which is soon: few entries are read at once, and in place
        of many all jobs."""
        if len(plan.pieces) <= MANY_PIECES:
            return plan, self._condition, max(1, WINDOW // max(1, len(plan.pieces)))
        if size(self._snapshot, plan, COMPARED) < COMPARED:
            return plan, self._condition, COMPARED
        low, high = min(piece.low for piece in plan.pieces), max(piece.high for piece in plan.pieces)
        return (
            Plan((EVERYTHING.between(low, high),), self._root),
            _compiled(self._snapshot, self._root),
            WINDOW,
        )

    def _first(self, pieces: Sequence[Piece], down: bool, low: int, high: int, need: int) -> list[Row]:
        """The first of all entries."""
        if len(pieces) > MANY_PIECES:
            lot, condition = [EVERYTHING.between(low, high)], _compiled(self._snapshot, self._root)
            likely = self._snapshot.window(lot, condition, "", down=down, share=MOST_LIKELY, need=need)
            if len(likely.rows) == need:
                return likely.rows
        return self._snapshot.heads(pieces, down=down, need=need) if pieces else []

    def count(self, cap: int, most: int | None) -> Count:
        if self._plan.rest is None and self._plan.disjoint:
            counted = self.size(cap + 1)
            return Count(min(counted, cap), counted > cap)
        found = self.find(down=True, need=cap + 1, most=most)
        return Count(min(len(found.rows), cap), len(found.rows) > cap or found.end is not None)

    def by_run_at(self, after: tuple[int, int] | None, *, down: bool, need: int) -> list[Row]:
        return self._snapshot.by_run_at(self._condition, after, down=down, need=need)


def _compiled(snapshot: Snapshot, root: Node | None) -> Sql:
    return Sql("TRUE") if root is None else snapshot.compiler.compile(root)


def _in_order(found: dict[int, Row], down: bool, need: int) -> list[Row]:
    return sorted(found.values(), key=lambda row: row[0], reverse=down)[:need]


# -- the plan ---------------------------------------------------------------------------------------------------------------

EVERYTHING = Piece("all")


def plan(snapshot: Snapshot, root: Node | None) -> Plan:
    """Where everything is that may match `root`."""
    if root is None:
        return Plan((EVERYTHING,))
    return _plan(snapshot, root) or Plan((EVERYTHING,), root)


def size(snapshot: Snapshot, plan: Plan, cap: int) -> int:
    """How many entries the plan leads to, counted up to `cap`; by what is kept about the lanes where that is enough."""
    if EVERYTHING in plan.pieces:
        return min(sum(lane.jobs for lane in snapshot.lanes()), cap)
    known = sum(piece.entries for piece in plan.pieces if piece.entries is not None)
    unknown = [piece for piece in plan.pieces if piece.entries is None]
    if known >= cap or not unknown:
        return min(known, cap)
    return known + snapshot.entries(unknown, cap - known)


def _plan(snapshot: Snapshot, node: Node) -> Plan | None:
    """The plan that an index gives, None when none does."""
    match node:
        case Or():
            plans = [_plan(snapshot, item) for item in node.items]
            found = [plan for plan in plans if plan is not None]
            if len(found) < len(plans):
                return None
            pieces = dict.fromkeys(piece for plan in found for piece in plan.pieces)
            exact = all(plan.rest is None for plan in found)
            return Plan(tuple(pieces), None if exact else node, disjoint=False)
        case And():
            return _all(snapshot, node.items)
        case _:
            return _all(snapshot, (node,))


def _all(snapshot: Snapshot, items: Sequence[Node]) -> Plan | None:
    """The smallest of the plans for the single items, within the bounds that all items set."""
    low, high = FIRST, LAST
    plans: list[tuple[Plan, tuple[Node, ...]]] = []  # each with the items that it sees to
    for item in items:
        found = None
        if isinstance(item, Time) and item.field == "created":
            after, before = _created(snapshot, item)
            low, high = max(low, after), min(high, before)
        elif isinstance(item, Glob) and item.field == "id" and item.pattern.kind == "prefix":
            after, before, found = _id_prefix(snapshot, item.pattern.literal)
            low, high = max(low, after), min(high, before)
        elif not is_of_lane(item):
            found = _plan(snapshot, item) if isinstance(item, (And, Or)) else _set(snapshot, item)
        if found is not None:
            plans.append((found, (item,)))
    if lanes := tuple(item for item in items if is_of_lane(item)):
        plans.append((_lanes(snapshot.lanes(), lanes), lanes))
    if (low, high) != (FIRST, LAST):
        plans = [(found.between(low, high), seen) for found, seen in (*plans, (Plan((EVERYTHING,)), ()))]
    if not plans:
        return None
    best, seen = _smallest(snapshot, plans)
    left = [item for item in items if item not in seen]
    if best.rest is not None:
        left.append(best.rest)
    return replace(best, rest=all_of(left) if left else None)


def _smallest(
    snapshot: Snapshot, plans: list[tuple[Plan, tuple[Node, ...]]]
) -> tuple[Plan, tuple[Node, ...]]:
    best, least = plans[0], LAST
    for found in plans if len(plans) > 1 else ():
        entries = size(snapshot, found[0], min(least, COMPARED))
        if entries < least:
            best, least = found, entries
        if least == 0:
            break
    return best


def _lanes(known: Iterable[Lane], items: Sequence[Node]) -> Plan:
    """State, queue and type, in every combination."""
    kept, rest = list(known), list[Node]()
    for item in items:
        match item:
            case JobState():
                states = {str(asked.state) for asked in item.any_of}
                kept = [lane for lane in kept if lane.state in states]
                if any(asked.reason is not None or asked.requested is not None for asked in item.any_of):
                    rest.append(item)
            case Text():
                kept = [lane for lane in kept if _name(lane, item.field) in item.values]
            case Glob():
                start = item.pattern.literal
                kept = [lane for lane in kept if _name(lane, item.field).startswith(start)]
            case _:
                raise AssertionError(item)
    pieces = tuple(Piece("lane", (lane.state, lane.key), entries=lane.jobs) for lane in kept)
    return Plan(pieces, all_of(rest) if rest else None)


def _name(lane: Lane, field: str) -> str:
    return lane.queue if field == "queue" else lane.type


def _set(snapshot: Snapshot, item: Node) -> Plan | None:
    match item:
        case Text(field=("id" | "owner" | "tag") as family):
            pieces = tuple(Piece(family, (value,)) for value in item.values)
            return Plan(pieces, disjoint=family != "tag" or len(pieces) == 1)
        case Glob(field=("owner" | "tag") as family) if item.pattern.kind == "prefix":
            return _prefix(snapshot, family, item.pattern.literal)
        case Text() | Glob() | Present() if item.field in UNKEPT:
            return Plan(())
        case _:
            return None


def _prefix(snapshot: Snapshot, family: Literal["owner", "tag"], prefix: str) -> Plan | None:
    names = snapshot.names(family, prefix, MANY_VALUES)
    if len(names) < MANY_VALUES:
        return Plan(tuple(Piece(family, (name,)) for name in names), disjoint=family != "tag")
    above = after_prefix(prefix)
    if above is None:
        return None
    found = Plan(
        (Piece("owners" if family == "owner" else "tags", (prefix, above)),), disjoint=family != "tag"
    )
    return found if size(snapshot, found, LARGE) < LARGE else None


def _id_prefix(snapshot: Snapshot, prefix: str) -> tuple[int, int, Plan | None]:
    """Bounds of seq, and the plan when the piece of the index is small enough to be sorted."""
    above = after_prefix(prefix)
    if above is None or snapshot.newest_fit(prefix):
        return FIRST, LAST, None
    found = Plan((Piece("ids", (prefix, above)),))
    if size(snapshot, found, LARGE) < LARGE:
        return FIRST, LAST, found
    first, last = snapshot.ends(found.pieces[0])
    return first - 1, last + 1, None


def _created(snapshot: Snapshot, time: Time) -> tuple[int, int]:
    """Bounds of seq outside of which no job can be of that time."""
    low = FIRST if time.low is None else snapshot.first_since(microseconds(time.low) - SLACK) - 1
    high = LAST if time.high is None else snapshot.first_since(microseconds(time.high) + SLACK)
    return low, high
