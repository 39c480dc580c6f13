"""Plans a search by counting: it starts from the index entries that lead to the fewest jobs.

A *run* is a part of an index in which `seq` is the last column behind fixed values, so that it is read in the order of
creation, forwards or backwards, from any place. The lanes, one for each (state, queue, type), answer these three and every
combination of them: the few values that a filter leaves open are listed by skipping through the index. Enqueued jobs have
their lanes in `jobs_ready`, one for each priority; running ones in `jobs_running`; all others in `jobs_lane`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace

import apsw

from holdfast.core.query import And, Glob, JobState, Node, Or, Present, Text, Time
from holdfast.core.states import State
from holdfast.storage.page_query import FIRST, LAST
from holdfast.storage.search import UNKEPT, Sql, after_prefix, is_of_lane, microseconds
from holdfast.storage.sqlite.connection import fetch_all
from holdfast.storage.sqlite.statements import LANED

SLACK = 600_000_000
"""By how much `created_at` may go back while `seq` goes on: ten minutes of a wall clock that was set back."""
MANY_VALUES = 500
"""A prefix that fits more values than this is read as one piece of the index, which has to be sorted."""
LARGE = 10_000
"""Entries up to which such a piece is worth sorting."""
COMPARED = 50_000
"""Entries up to which plans are compared; two that are larger count as equal."""
NEWEST = 256
"""When so many of the newest jobs all fit a prefix of the id, it is not worth looking for the bounds of what fits."""


@dataclass(frozen=True, slots=True)
class Run:
    """Entries of an index with `low` < seq < `high`. `entries` reads the index alone, `rows` brings the jobs along."""

    entries: str
    rows: str
    seq: str
    where: Sql
    low: int = FIRST
    high: int = LAST

    def between(self, low: int, high: int) -> Run:
        """What of it lies between these as well."""
        return replace(self, low=max(self.low, low), high=min(self.high, high))

    @property
    def condition(self) -> Sql:
        text, values = self.where
        return Sql(f"{text} AND {self.seq} > ? AND {self.seq} < ?", (*values, self.low, self.high))

    def count(self, db: apsw.Connection, cap: int) -> int:
        """How many entries it has, counted up to `cap`."""
        text, values = self.condition
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {self.entries} WHERE {text} LIMIT ?)"
        return next(db.execute(sql, (*values, cap)))[0]

    def nth(self, db: apsw.Connection, n: int, *, down: bool) -> int | None:
        """The seq of its n-th entry from the newer end (`down`) or the older one, None when it has fewer."""
        text, values = self.condition
        turn = "DESC" if down else "ASC"
        sql = (
            f"SELECT {self.seq} FROM {self.entries} WHERE {text} ORDER BY {self.seq} {turn} LIMIT 1 OFFSET ?"
        )
        return next((seq for (seq,) in db.execute(sql, (*values, n - 1))), None)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to look. `exact`: each entry is a match, else the condition has to be tried. `disjoint`: no job is met twice."""

    runs: tuple[Run, ...]
    exact: bool = True
    disjoint: bool = True

    def between(self, low: int, high: int) -> Plan:
        """What of it lies between these as well; runs that cannot have anything are left out."""
        runs = (run.between(low, high) for run in self.runs)
        return replace(self, runs=tuple(run for run in runs if run.low < run.high - 1))

    def count(self, db: apsw.Connection, cap: int) -> int:
        """How many entries its runs have, counted up to `cap`."""
        total = 0
        for run in self.runs:
            total += run.count(db, cap - total)
            if total >= cap:
                break
        return total


EVERYTHING = Run("jobs NOT INDEXED", "jobs NOT INDEXED", "jobs.seq", Sql("TRUE"))


def _indexed(index: str, where: Sql) -> Run:
    source = f"jobs INDEXED BY {index}"
    return Run(source, source, "jobs.seq", where)


_LANES = {State.ENQUEUED: "jobs_ready", State.PROCESSING: "jobs_running"}


def _index_of(state: State) -> str:
    return _LANES.get(state, "jobs_lane")


def _of_state(state: State) -> Sql:
    # the state stands in the text: a partial index serves only a statement that is seen to ask for nothing else
    return Sql(f"state = '{state}'" if state in _LANES else f"state = '{state}' AND {LANED}")


def _and(where: Sql, column: str, value: str | int) -> Sql:
    return Sql(f"{where.text} AND {column} = ?", (*where.values, value))


def _of_id(where: Sql) -> Run:
    return _indexed("sqlite_autoindex_jobs_1", where)


def _of_owner(where: Sql) -> Run:
    return _indexed("jobs_owner", where)


def _of_tag(where: Sql) -> Run:
    return Run("job_tags", "job_tags CROSS JOIN jobs ON jobs.seq = job_tags.job", "job_tags.job", where)


_SETS = {"id": ("jobs.id", _of_id), "owner": ("jobs.owner", _of_owner), "tag": ("job_tags.tag", _of_tag)}


@dataclass(frozen=True, slots=True)
class _Names:
    """What a filter leaves of the values of one column of the lanes."""

    values: frozenset[str] | None = None
    prefixes: tuple[str, ...] = ()

    def only(self, values: Iterable[str]) -> _Names:
        kept = frozenset(values)
        return replace(self, values=kept if self.values is None else self.values & kept)

    def beginning(self, prefix: str) -> _Names:
        return replace(self, prefixes=(*self.prefixes, prefix))

    def pick(self, found: Iterable[str]) -> list[str]:
        return [name for name in found if all(name.startswith(prefix) for prefix in self.prefixes)]

    @property
    def prefix(self) -> str:
        return max(self.prefixes, key=len, default="")


class Planner:
    """Makes plans on one connection, within one transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def plan(self, root: Node | None) -> Plan:
        """The plan for everything that may match `root`."""
        if root is None:
            return Plan((EVERYTHING,))
        return self._plan(root) or Plan((EVERYTHING,), exact=False)

    def _plan(self, node: Node) -> Plan | None:
        """The plan that an index gives, None when none does."""
        match node:
            case Or():
                plans = [self._plan(item) for item in node.items]
                found = [plan for plan in plans if plan is not None]
                if len(found) < len(plans):
                    return None
                runs = dict.fromkeys(run for plan in found for run in plan.runs)
                return Plan(tuple(runs), all(plan.exact for plan in found), disjoint=False)
            case And():
                return self._all(node.items)
            case _:
                return self._all((node,))

    def _all(self, items: Sequence[Node]) -> Plan | None:
        """The smallest of the plans for the single items, within the bounds that all items set."""
        lanes = [item for item in items if is_of_lane(item)]
        others = [item for item in items if not is_of_lane(item)]
        low, high = FIRST, LAST
        plans: list[Plan] = []
        for item in others:
            if isinstance(item, Time) and item.field == "created":
                after, before = self._created(item)
                low, high = max(low, after), min(high, before)
            elif isinstance(item, Glob) and item.field == "id" and item.pattern.kind == "prefix":
                after, before, plan = self._id_prefix(item.pattern.literal)
                low, high = max(low, after), min(high, before)
                plans += [plan] if plan else []
            elif plan := self._plan(item) if isinstance(item, (And, Or)) else self._set(item):
                plans.append(plan)
        if lanes:
            plans.append(self._lanes(lanes))
        if (low, high) != (FIRST, LAST):
            plans = [plan.between(low, high) for plan in (*plans, Plan((EVERYTHING,), exact=False))]
        best = self._smallest(plans)
        if best is None or len(items) == len(lanes) or len(items) == 1:
            return best
        return replace(best, exact=False)

    def _smallest(self, plans: list[Plan]) -> Plan | None:
        if len(plans) < 2:
            return plans[0] if plans else None
        best, least = plans[0], LAST
        for plan in plans:
            size = plan.count(self._db, min(least, COMPARED))
            if size < least:
                best, least = plan, size
            if least == 0:
                break
        return best

    # -- state, queue, type -----------------------------------------------------------------------------------------------

    def _lanes(self, items: Sequence[Node]) -> Plan:
        states = list(State)
        exact = True
        names = {"queue": _Names(), "type": _Names()}
        for item in items:
            match item:
                case JobState():
                    states = [state for state in states if any(asked.state is state for asked in item.any_of)]
                    exact = exact and all(
                        asked.reason is None and asked.requested is None for asked in item.any_of
                    )
                case Text():
                    names[item.field] = names[item.field].only(item.values)
                case Glob():
                    names[item.field] = names[item.field].beginning(item.pattern.literal)
                case _:
                    raise AssertionError(item)
        runs = [run for state in states for run in self._lanes_of(state, names["queue"], names["type"])]
        return Plan(tuple(runs), exact)

    def _lanes_of(self, state: State, queues: _Names, types: _Names) -> Generator[Run]:
        index, of_state = _index_of(state), _of_state(state)
        for queue in self._names(index, "queue", queues, of_state):
            of_queue = _and(of_state, "queue", queue)
            for type_ in self._names(index, "type", types, of_queue):
                lane = _and(of_queue, "type", type_)
                if state is State.ENQUEUED:
                    for priority in self._priorities(lane):
                        yield _indexed(index, _and(lane, "priority", priority))
                else:
                    yield _indexed(index, lane)

    def _names(self, index: str, column: str, names: _Names, fixed: Sql) -> list[str]:
        if names.values is not None:
            return names.pick(sorted(names.values))
        return names.pick(self._distinct(f"jobs INDEXED BY {index}", column, fixed, names.prefix, LAST))

    def _priorities(self, lane: Sql) -> list[int]:
        """The priorities of the jobs that wait in a lane: one seek for each."""
        text, values = lane
        least = f"SELECT min(priority) FROM jobs INDEXED BY jobs_ready WHERE {text}"
        sql = f"""
        WITH RECURSIVE found (least) AS (
            {least} UNION ALL SELECT ({least} AND priority > found.least) FROM found WHERE found.least IS NOT NULL
        ) SELECT least FROM found WHERE least IS NOT NULL
        """
        return [int(priority) for (priority,) in self._db.execute(sql, (*values, *values))]

    # -- owner, tag, id -----------------------------------------------------------------------------------------------------

    def _set(self, item: Node) -> Plan | None:
        match item:
            case Text(field="id" | "owner" | "tag"):
                column, run = _SETS[item.field]
                runs = tuple(run(Sql(f"{column} = ?", (value,))) for value in item.values)
                return Plan(runs, disjoint=item.field != "tag" or len(runs) == 1)
            case Glob(field="owner" | "tag") if item.pattern.kind == "prefix":
                return self._prefix(item.field, item.pattern.literal)
            case Text() | Glob() | Present() if item.field in UNKEPT:
                return Plan(())
            case _:
                return None

    def _prefix(self, field: str, prefix: str) -> Plan | None:
        column, run = _SETS[field]
        entries = run(Sql("TRUE")).entries
        values = self._distinct(entries, column, Sql("TRUE"), prefix, MANY_VALUES)
        if len(values) < MANY_VALUES:
            return Plan(
                tuple(run(Sql(f"{column} = ?", (value,))) for value in values), disjoint=field != "tag"
            )
        plan = Plan((run(_within(column, prefix)),), disjoint=field != "tag")
        return plan if plan.count(self._db, LARGE) < LARGE else None

    def _id_prefix(self, prefix: str) -> tuple[int, int, Plan | None]:
        """Bounds of seq, and the plan when the piece of the index is small enough to be sorted."""
        run = _of_id(_within("jobs.id", prefix))
        text, values = run.where
        newest = f"SELECT min({text}) FROM (SELECT jobs.id FROM jobs WHERE seq > 0 ORDER BY seq DESC LIMIT {NEWEST}) AS jobs"
        if next(self._db.execute(newest, values))[0]:
            return FIRST, LAST, None
        if run.count(self._db, LARGE) < LARGE:
            return FIRST, LAST, Plan((run,))
        ((first, last),) = self._db.execute(
            f"SELECT min(seq), max(seq) FROM {run.entries} WHERE {text}", values
        )
        return first - 1, last + 1, None

    def _distinct(self, source: str, column: str, fixed: Sql, prefix: str, limit: int) -> list[str]:
        """The values of `column` that begin with `prefix`, behind fixed values in an index: one seek for each."""
        text, values = fixed
        above = after_prefix(prefix)
        bound, last = ("", ()) if above is None else (f" AND {column} < ?", (above,))
        least = f"SELECT min({column}) FROM {source} WHERE {text} AND {column}"
        sql = f"""
        WITH RECURSIVE found (name) AS (
            {least} >= ?{bound} UNION ALL SELECT ({least} > name{bound}) FROM found WHERE name IS NOT NULL
        ) SELECT name FROM found WHERE name IS NOT NULL LIMIT ?
        """
        rows = fetch_all(self._db, sql, (*values, prefix, *last, *values, *last, limit))
        return [str(name) for (name,) in rows]

    # -- created ------------------------------------------------------------------------------------------------------------

    def _created(self, time: Time) -> tuple[int, int]:
        """Bounds of seq outside of which no job can be of that time."""
        low = FIRST if time.low is None else self._first_since(microseconds(time.low) - SLACK) - 1
        high = LAST if time.high is None else self._first_since(microseconds(time.high) + SLACK)
        return low, high

    def _first_since(self, at: int) -> int:
        """The first seq, by halving, whose job was created at `at` or later; one more than the last when none was."""
        ((low, last),) = self._db.execute("SELECT (SELECT min(seq) FROM jobs), (SELECT max(seq) FROM jobs)")
        if low is None:
            return FIRST + 1
        high = last + 1
        while low < high:
            middle = (low + high) // 2
            sql = "SELECT seq, created_at FROM jobs WHERE seq >= ? ORDER BY seq LIMIT 1"
            seq, created = next(self._db.execute(sql, (middle,)))
            low, high = (low, middle) if created >= at else (seq + 1, high)
        return low


def _within(column: str, prefix: str) -> Sql:
    above = after_prefix(prefix)
    if above is None:
        return Sql(f"{column} >= ?", (prefix,))
    return Sql(f"{column} >= ? AND {column} < ?", (prefix, above))
