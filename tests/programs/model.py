"""The plain model: which effects a program has when nothing happens to it, in which order, and with which sums."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.programs import nodes
from tests.programs.nodes import Node
from tests.programs.trace import Key, Place, Wrong, show


@dataclass(slots=True)
class Order:
    """Effects that follow each other (`ordered`) or not."""

    ordered: bool = True
    parts: list[Key | Order] = field(default_factory=list)


class _Break(Exception):
    pass


class _Planned(Exception):
    pass


@dataclass(slots=True)
class Model:
    """Walks through a program as Python would. `appeared`: loops that found one more row."""

    appeared: set[Place]
    required: set[Key] = field(default_factory=set)
    sums: Counter[int] = field(default_factory=Counter)
    order: Order = field(default_factory=Order)

    def walk(self, body: tuple[Node, ...]) -> None:
        self._body(body, (), self.order, None, 0, 0)

    def _effect(self, place: Place, id: int, order: Order, required: bool = True) -> None:
        order.parts.append((place, id))
        if required:
            self.required.add((place, id))

    def _body(
        self,
        body: tuple[Node, ...],
        place: Place,
        order: Order,
        loop: nodes.Loop | None,
        row: int,
        depth: int,
        required: bool = True,
    ) -> None:
        for node in body:
            match node:
                case nodes.Effect() | nodes.Step():
                    key = -node.id if isinstance(node, nodes.Step) and node.renamed else node.id
                    self._effect(place, key, order, required)
                case nodes.Add():
                    self.sums[node.id] += row + 1
                case nodes.ItemDone():
                    required = False  # what follows may be cut off
                case nodes.Break() if row == 10 * node.at:
                    raise _Break
                case nodes.Raise() if row == 10 * node.at:
                    raise _Planned
                case nodes.Again() if depth and loop is not None:
                    self._loop(loop, place, order, depth - 1)
                case nodes.Loop():
                    self._loop(node, place, order, node.depth)
                case nodes.Map():
                    rows = Order(False)
                    for n in range(node.size):
                        inner = Order()
                        rows.parts.append(inner)
                        self._effect((*place, node.id, 10 * n), node.id, inner)
                        self._body(node.body, (*place, node.id, 10 * n), inner, None, 10 * n, 0)
                    order.parts.append(rows)
                case nodes.Try():
                    with contextlib.suppress(_Planned):
                        self._body(node.body, place, order, loop, row, depth)
                case nodes.Swallow():
                    self._body(node.body, place, order, loop, row, depth)
                case nodes.Repeat():
                    for n in range(node.times):
                        self._body(node.body, (*place, f"r{node.id}.{n}"), order, loop, row, depth)
                case nodes.Parallel():
                    beside = Order(False)
                    for branch in node.branches:
                        inner = Order()
                        beside.parts.append(inner)
                        self._body(branch, place, inner, loop, row, depth)
                    order.parts.append(beside)
                case _:
                    pass

    def _loop(self, loop: nodes.Loop, around: Place, order: Order, depth: int) -> None:
        place = (*around, loop.id)
        rows = [10 * n for n in range(loop.source.size)]
        if place in self.appeared:
            rows.append(5)
        items = Order(loop.source.kind != "key" and not loop.source.late)
        order.parts.append(items)
        for row in rows:
            inner = Order()
            items.parts.append(inner)
            self._effect((*place, row), loop.id, inner)
            try:
                self._body(loop.body, (*place, row), inner, loop, row, depth)
            except _Break:
                return

    def judge(self, effects: list[tuple[int, Key]], *, ordered: bool) -> None:
        """All effects are there and, if `ordered`, each for the first time after those that come before it."""
        seen: dict[Key, int] = {}
        for number, (_, key) in enumerate(effects):
            seen.setdefault(key, number)
        missing = sorted(show(key) for key in self.required - seen.keys())
        if missing:
            raise Wrong(f"succeeded, and these effects never happened: {', '.join(missing)}")
        if ordered:
            _check(self.order, seen)


def _check(part: Any, seen: dict[Key, int]) -> tuple[int, int, str] | None:
    """When the first and the last effect of a part first happened."""
    if not isinstance(part, Order):
        return (seen[part], seen[part], show(part)) if part in seen else None
    first = last = None
    words = ""
    for inner in part.parts:
        found = _check(inner, seen)
        if found is None:
            continue
        if part.ordered and last is not None and found[0] < last:
            raise Wrong(f"{found[2]} happened before {words}, which comes before it in the program")
        first = found[0] if first is None else min(first, found[0])
        if last is None or found[1] > last:
            last, words = found[1], found[2]
    return None if first is None or last is None else (first, last, words)
