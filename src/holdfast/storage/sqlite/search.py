"""This exists so that lists of jobs are found in the embedded database by key, in bounded time."""

from __future__ import annotations

from typing import TypeAlias

import apsw

from holdfast.core.query import STATES, And, JobState, Node, Not, Or, Query
from holdfast.core.query.nodes import all_of
from holdfast.core.records import Count, JobRecord, Page
from holdfast.core.states import State
from holdfast.storage.paging import Position, read_cursor, read_sort, write_cursor
from holdfast.storage.sqlite.dialect import SqliteCompiler
from holdfast.storage.sqlite.statements import JOB_COLUMNS

SQLiteValue: TypeAlias = str | int | float | None

_COMPILER = SqliteCompiler()


def condition(query: Query | None) -> tuple[str, list[SQLiteValue]]:
    """A WHERE expression on `jobs` ("1" when everything matches) and its parameters; safe to be joined by AND."""
    if query is None or query.root is None:
        return "1", []
    return _where(query.root)


def page(db: apsw.Connection, query: Query, *, sort: str, limit: int, cursor: str | None) -> Page:
    """One page by key. Raises InvalidInput for an unknown sort and for a cursor that is not from this search."""
    order = read_sort(sort)
    place = read_cursor(cursor, sort=sort, text=query.text) if cursor else Position()
    where, values = condition(query)
    down = order.descending != place.back
    turn, beyond = ("DESC", "<") if down else ("ASC", ">")
    key = order.key or "NULL"
    after, known = "1", list[SQLiteValue]()
    missing = "ASC" if not place.back else "DESC"
    if place.seq is not None:
        same = f"{key} IS ? AND jobs.seq {beyond} ?"
        known = [place.key, place.seq]
        if place.key is not None:
            after = f"({key} {beyond} ? OR ({same})" + (f" OR {key} IS NULL)" if not place.back else ")")
            known = [place.key, *known]
        else:
            after = f"(({same})" + (f" OR {key} IS NOT NULL)" if place.back and order.key else ")")
    order_by = f"jobs.seq {turn}" if order.key is None else f"{key} IS NULL {missing}, {key} {turn}, jobs.seq {turn}"
    sql = f"SELECT {key}, {JOB_COLUMNS} FROM jobs WHERE {where} AND {after} ORDER BY {order_by} LIMIT ?"
    rows = db.execute(sql, (*values, *known, limit + 1)).fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    if place.back:
        rows.reverse()
        if not rows:
            return page(db, query, sort=sort, limit=limit, cursor=None)
    items = [JobRecord._make(row[1:]) for row in rows]

    def at(index: int, back: bool) -> str:
        position = Position(items[index].seq, rows[index][0], back)
        return write_cursor(position, sort=sort, text=query.text)

    following = at(-1, False) if items and (more or place.back) else None
    before = at(0, True) if items and (more if place.back else cursor) else None
    return Page(items, following, before)


def count(db: apsw.Connection, query: Query, *, cap: int) -> Count:
    """How many jobs match, counted up to `cap`."""
    where, values = condition(query)
    return _count(db, where, values, cap)


def count_by_state(db: apsw.Connection, query: Query, *, cap: int) -> dict[str, Count]:
    """The same for each state, and for "retrying", whatever states the query itself asks for."""
    rest = _without_states(query.root)
    counts: dict[str, Count] = {}
    for name in (*(state.value for state in State), "retrying"):
        leaf = JobState((STATES[name],))
        where, values = _where(leaf if rest is None else all_of((leaf, rest)))
        counts[name] = _count(db, where, values, cap)
    return counts


def _count(db: apsw.Connection, where: str, values: list[SQLiteValue], cap: int) -> Count:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {where} LIMIT ?)"
    (found,) = next(db.execute(sql, (*values, cap + 1)))
    return Count(min(found, cap), found > cap)


def _where(node: Node) -> tuple[str, list[SQLiteValue]]:
    text, values = _COMPILER.compile(node)
    return f"({text})", list(values)


def _without_states(node: Node | None) -> Node | None:
    """The query without what it says at its top about states alone."""
    items = node.items if isinstance(node, And) else () if node is None else (node,)
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
