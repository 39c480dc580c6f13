"""Random programs, as Hypothesis draws them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from hypothesis import HealthCheck
from hypothesis import strategies as st

from tests.programs.deploys import DEPLOYS
from tests.programs.nodes import (
    Add,
    Again,
    Break,
    Case,
    Checkpoint,
    Effect,
    ItemDone,
    Loop,
    Map,
    Node,
    Parallel,
    PausePoint,
    Raise,
    Repeat,
    Source,
    Step,
    Strike,
    Swallow,
    Try,
    all_nodes,
)

HEALTH = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
"""How long it takes to draw a program is no fact about the code."""

KINDS = ("pause", "pause", "stop", "cancel", "crash", "crash", "crash", "crash", "snooze", "fail", "timeout")
AMONG = ("all", "all", "sums", "snapshots")
MAX_TIMES = 60
KEEP = ("none", "half", "all")
FORMS = {
    "same": ("list", "list", "range", "generator", "async", "dicts"),
    "after": ("numbers", "texts", "pairs"),
    "key": ("numbers", "texts", "pairs"),
}


@dataclass(frozen=True)
class Where:
    """What may stand here.

    `beside`: something runs beside it, so loops need names. `among`: or beside a loop around it. `repeated`: a loop of the
    same name may have been here before. `times`: how often it is run at most. `sums`: sums may be kept. `catching`: an
    exception of the program is caught."""

    depth: int = 0
    beside: bool = False
    threads: bool = False
    sums: bool = True
    catching: bool = False
    among: bool = False
    repeated: bool = False
    times: int = 1


class Drawer:
    """Puts one program together."""

    def __init__(self, draw: Any, is_async: bool) -> None:
        self._draw = draw
        self._is_async = is_async
        self._ids = count(1)
        self._left = 14

    def of(self, values: Any) -> Any:
        return self._draw(st.sampled_from(values))

    def program(self) -> tuple[Node, ...]:
        """A body with a loop in it."""
        body = self.body(Where())
        return (
            body
            if any(isinstance(node, Loop) for node in all_nodes(body))
            else (*body, self._loop(next(self._ids), Where()))
        )

    def body(self, where: Where, least: int = 1) -> tuple[Node, ...]:
        size = self._draw(st.integers(least, 3))
        found: list[Node] = []
        for _ in range(size):
            if self._left <= 0:
                break
            self._left -= 1
            found.append(self._node(where))
        return tuple(found)

    def _node(self, where: Where) -> Node:
        small = ["effect", "effect", "step", "step", "checkpoint", "point"]
        large = ["loop", "loop", "loop", "try", "swallow", "repeat"]
        if not where.threads:  # which of several threads is next is drawn for one group of threads only
            large += ["map", "parallel", "parallel"]
        id = next(self._ids)
        match self.of(small if where.depth > 2 else small + large):
            case "effect":
                return Effect(id, self._draw(st.integers(0, 2)))
            case "step":
                return Step(
                    id, self.of(("plain", "plain", "executor", "thread") if self._is_async else ("plain",))
                )
            case "checkpoint":
                return Checkpoint(id)
            case "point":
                return PausePoint(id)
            case "try":
                catching = replace(where, catching=True)
                return Try(id, (*self.body(catching, 0), self._loop(next(self._ids), catching)))
            case "swallow":
                return Swallow(id, self.body(where))
            case "repeat":
                return Repeat(id, 2, self.body(replace(where, depth=where.depth + 1, repeated=True)))
            case "map":
                return self._map(id, where)
            case "parallel":
                return self._parallel(id, where)
            case _:
                return self._loop(id, where)

    def _loop(self, id: int, where: Where) -> Loop:
        kind = self.of(("same", "same", "same", "after", "key"))
        named = where.beside or self._draw(st.booleans())
        size = self._draw(st.integers(0, max(1, min(4, MAX_TIMES // where.times))))
        source = Source(
            kind,
            self.of([form for form in FORMS[kind] if self._is_async or form != "async"]),
            size,
            vanish=kind != "same" and self._draw(st.booleans()),
            late=kind != "same" and size > 1 and self._draw(st.booleans()),
            cursor=kind == "after" and named and not where.repeated and self._draw(st.booleans()),
        )
        calls = self.of((0, 0, 0, 1, 2)) if size and where.times * (size + 1) ** 3 <= MAX_TIMES else 0
        times = where.times * (size + source.late) ** (calls + 1)
        ordered = (
            kind != "key" and not source.late
        )  # where an exception falls does not depend on the order of the rows
        inner = replace(
            where,
            depth=where.depth + 1,
            beside=False,
            repeated=False,
            times=max(times, 1),
            catching=where.catching and ordered,
        )
        body = list(self.body(inner, 0))
        if calls:
            body.append(Again(next(self._ids)))
        body += self._tail(where, source)
        style = "for"
        if self._is_async:
            style = (
                "async for"
                if source.form == "async"
                else self.of(("for", "async for", "async for", "for" if where.among else "anext"))
            )
        every = self.of((None, None, 1, 2))
        return Loop(id, f"n{id}" if named else None, source, tuple(body), every, style, calls)

    def _tail(self, where: Where, source: Source) -> list[Node]:
        """What a body ends with."""
        tail: list[Node] = []
        if source.kind != "key" and not source.late:
            at = self._draw(st.integers(0, 6))
            if at < source.size and where.catching and self._draw(st.booleans()):
                tail.append(Raise(next(self._ids), at))
            elif at < source.size:
                tail.append(Break(next(self._ids), at))
        if where.sums and self.of((True, True, True, False)):
            tail.append(Add(next(self._ids)))
        if self.of((False, False, True)):
            tail += [ItemDone(next(self._ids)), PausePoint(next(self._ids)), Effect(next(self._ids), 1)]
        return tail

    def _map(self, id: int, where: Where) -> Map:
        name = f"n{id}" if where.beside or self._draw(st.booleans()) else None
        parallel = self._draw(st.integers(1, 3)) if self._is_async else 1
        inner = Where(3, beside=True, threads=True, sums=False, among=True)
        body = list(self.body(inner, 0))
        if self._is_async and self._draw(st.booleans()):
            body.append(Add(next(self._ids)))
        return Map(id, name, self._draw(st.integers(0, 5)), parallel, tuple(body))

    def _parallel(self, id: int, where: Where) -> Parallel:
        kind = self.of(("gather", "group") if self._is_async else ("threads", "threads", "bare"))
        inner = replace(
            where, depth=where.depth + 1, beside=True, threads=not self._is_async, catching=False, among=True
        )
        return Parallel(id, kind, tuple(self.body(inner) for _ in range(self._draw(st.integers(2, 3)))))


@st.composite
def cases(draw: Any, is_async: bool | None = None) -> Case:
    in_loop = draw(st.booleans()) if is_async is None else is_async
    body = Drawer(draw, in_loop).program()
    strikes = tuple(
        Strike(
            draw(st.sampled_from(KINDS)),
            draw(st.integers(0, 24))
            if (among := draw(st.sampled_from(AMONG))) == "all"
            else draw(st.integers(0, 5)),
            among,
            draw(st.sampled_from(KEEP)),
            draw(st.sampled_from((*[None] * 40, *DEPLOYS))),
        )
        for _ in range(draw(st.integers(1, 6)))
    )
    return Case(
        body,
        in_loop,
        strikes,
        draw(st.sampled_from((0, 1, 4, 5, 5))),
        draw(st.booleans()),
        draw(st.integers(0, 99)),
    )
