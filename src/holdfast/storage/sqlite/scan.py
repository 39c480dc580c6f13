"""Yields the jobs of a plan in order of creation, within a budget."""

from __future__ import annotations

import time
from dataclasses import replace

import apsw

from holdfast.core.query import Node
from holdfast.core.records import Count
from holdfast.core.states import State
from holdfast.storage.page_query import BUDGET_SECONDS, FIRST, LAST, Found, Row
from holdfast.storage.search import Sql
from holdfast.storage.sqlite.compiler import SqliteCompiler
from holdfast.storage.sqlite.connection import fetch_all
from holdfast.storage.sqlite.index_ranges import Plan, Planner, Run

WINDOW = 256
"""Jobs that are tried at once, at first: few, because their arguments may be large."""
WINDOW_MOST = 32_768
WINDOW_SECONDS = 0.1
"""Windows grow while one takes less than this."""

_COMPILER = SqliteCompiler()


class Scan:
    """What matches one condition, on one connection, within one transaction."""

    def __init__(self, db: apsw.Connection, root: Node | None, plan: Plan | None = None) -> None:
        """`plan`: one that leads to more than the condition wants; else the best is made."""
        self._db = db
        self._condition = Sql("TRUE") if root is None else _COMPILER.compile(root)
        self.plan = Planner(db).plan(root) if plan is None else replace(plan, exact=False)

    def size(self, cap: int) -> int:
        """How many entries the plan leads to, counted up to `cap`."""
        return self.plan.count(self._db, cap)

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
        """Up to `need` matches with `low` < seq < `high`, the newest first if `down`, each with `columns`.

        Looks at about `most` jobs and for about `seconds`; where the index alone answers neither is needed.
        """
        plan = self.plan.between(low, high)
        if plan.exact and need < LAST and not columns:
            return self._first(plan.runs, down, need)
        found: dict[int, Row] = {}
        runs = plan.runs
        looked, share = 0, max(1, WINDOW // max(1, len(runs)))
        deadline = time.monotonic() + seconds
        while runs:
            began = time.monotonic()
            edges = [edge for run in runs if (edge := run.nth(self._db, share, down=down)) is not None]
            edge = (max(edges) if down else min(edges)) if edges else None
            inner = (FIRST, LAST) if edge is None else (edge - 1, LAST) if down else (FIRST, edge + 1)
            window = [run.between(*inner) for run in runs]
            tried = sum(run.count(self._db, LAST) for run in window)
            wanted = need - len(found)
            for run in window:
                found.update((row[0], row) for row in self._rows(run, columns, down, wanted))
            looked += tried
            if edge is None or len(found) >= need:
                break
            ended = time.monotonic()
            if ended > deadline or (most is not None and looked >= most):
                return Found(_in_order(found, down, need), looked, edge)
            if ended - began > WINDOW_SECONDS:
                share = max(1, share // 2)
            elif 4 * tried <= WINDOW_MOST:
                share *= 4
            outer = (FIRST, edge) if down else (edge, LAST)
            runs = plan.between(*outer).runs
        return Found(_in_order(found, down, need), looked, None)

    def count(self, cap: int, most: int | None) -> Count:
        """How many match, counted up to `cap`; `most` as in `find`, which `capped` then tells."""
        if self.plan.exact and self.plan.disjoint:
            counted = self.plan.count(self._db, cap + 1)
            return Count(min(counted, cap), counted > cap)
        found = self.find(down=True, need=cap + 1, most=most)
        return Count(min(len(found.rows), cap), len(found.rows) > cap or found.end is not None)

    def by_run_at(self, after: tuple[int, int] | None, *, down: bool, need: int) -> list[Row]:
        """The scheduled jobs among the matches by (run_at, seq), beyond `after`, from the index of what is due."""
        text, values = self._condition
        turn, beyond = ("DESC", "<") if down else ("ASC", ">")
        place = "TRUE" if after is None else f"(run_at, seq) {beyond} (?, ?)"
        sql = f"""
        SELECT seq, run_at FROM jobs INDEXED BY jobs_due
        WHERE state = '{State.SCHEDULED}' AND run_at IS NOT NULL AND {place} AND {text} IS TRUE
        ORDER BY run_at {turn}, seq {turn} LIMIT ?
        """
        return self._db.execute(sql, (*(after or ()), *values, need)).fetchall()

    def _first(self, runs: tuple[Run, ...], down: bool, need: int) -> Found:
        """The first of all entries: of each run no more than may still count."""
        found: dict[int, Row] = {}
        low, high = FIRST, LAST
        for run in runs:
            found.update((row[0], row) for row in self._rows(run.between(low, high), "", down, need))
            if len(found) >= need:
                kept = _in_order(found, down, need)
                found = {row[0]: row for row in kept}
                low, high = (kept[-1][0], LAST) if down else (FIRST, kept[-1][0])
        return Found(_in_order(found, down, need), len(found), None)

    def _rows(self, run: Run, columns: str, down: bool, need: int) -> list[Row]:
        text, values = run.condition
        source = run.rows if columns else run.entries
        if not self.plan.exact:
            source = run.rows
            text += f" AND {self._condition.text} IS TRUE"  # so written, it changes no choice of an index
            values += self._condition.values
        turn = "DESC" if down else "ASC"
        sql = f"SELECT {run.seq}{columns} FROM {source} WHERE {text} ORDER BY {run.seq} {turn} LIMIT ?"
        return fetch_all(self._db, sql, (*values, need))


def _in_order(found: dict[int, Row], down: bool, need: int) -> list[Row]:
    return sorted(found.values(), key=lambda row: row[0], reverse=down)[:need]
