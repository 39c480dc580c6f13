"""One run through a loop of a program, in each of the ways in which a loop can be written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from holdfast.context import JobContext
from tests.programs import nodes
from tests.programs.nodes import Node
from tests.programs.striking import Points
from tests.programs.trace import Fact, Place, Trace


@dataclass(frozen=True, slots=True)
class Frame:
    """Where in the program something runs. `facts`: what must not be done yet where it runs. `within`: what a step's name
    needs to be the only one in its item. `alone`: nothing runs beside it."""

    place: Place = ()
    facts: tuple[Fact, ...] = ()
    loop: nodes.Loop | None = None
    row: int = 0
    depth: int = 0
    within: str = ""
    alone: bool = True
    thread: str = "main"


OUTERMOST = Frame()
Run = Callable[[tuple[Node, ...], Frame], Coroutine[Any, Any, bool]]
"""Runs a body; True when it was left by `break`."""


class Visit:
    """One run through a loop."""

    def __init__(
        self, ctx: JobContext, trace: Trace, points: Points, run: Run, loop: nodes.Loop, frame: Frame
    ) -> None:
        self._ctx = ctx
        self._trace = trace
        self._points = points
        self._run = run
        self._loop = loop
        self._frame = frame
        self._place = (*frame.place, loop.id)
        self._fact: Fact = ("loop", self._place)
        self._open: int | None = None
        self.inside = False

    def track(self) -> Any:
        loop, source, ctx = self._loop, self._loop.source, self._ctx
        adds = any(isinstance(node, nodes.Add) for node in nodes.all_nodes(loop.body))
        rows = self._trace.rows(loop, self._place, adds)
        options: dict[str, Any] = {"name": loop.name, "every": loop.every}
        if source.kind != "same":
            options[source.kind] = lambda item: item["id"]
        if source.cursor and loop.name is not None:
            done = ctx.cursor(loop.name)
            rows = [row for row in rows if done is None or _key(loop, row) > done]
        return ctx.track(_source(loop, rows), **options)

    async def item(self, item: Any) -> bool:
        """True when the loop is to be left by `break`."""
        self.settle()
        self.inside = True
        frame, row = self._frame, _row(self._loop, item)
        item_fact: Fact = ("item", (self._place, row))
        facts = (*frame.facts, self._fact, item_fact)
        inner = replace(frame, place=(*self._place, row), facts=facts, loop=self._loop, row=row, within="")
        self._points.at(f"at item {row} of loop {self._loop.id}")
        self._trace.effect((inner.place, self._loop.id), facts)
        if await self._run(self._loop.body, inner):
            return True
        if not any(isinstance(node, nodes.Add) for node in self._loop.body):
            self._points.at(f"at the end of item {row} of loop {self._loop.id}", last=True)
        self._trace.end_item(self._place, row)
        self._open = row
        self.inside = False
        return False

    def settle(self) -> None:
        """The loop has asked for the next item: the one before is done."""
        if self._open is not None:
            self._trace.mark(("item", (self._place, self._open)))
            self._open = None

    def finish(self) -> None:
        self.settle()
        self._trace.mark(self._fact)

    async def one_by_one(self, track: Any) -> None:
        items = aiter(track)
        while True:
            try:
                item = await asyncio.wait_for(anext(items), 60)
            except StopAsyncIteration:
                self.finish()
                return
            if await self.item(item):
                return


def _key(loop: nodes.Loop, row: int) -> Any:
    match loop.source.form:
        case "texts":
            return f"k{row:03}"
        case "pairs":
            return ["a", row]
        case _:
            return row


def _source(loop: nodes.Loop, rows: list[int]) -> Any:
    if loop.source.kind != "same":
        return [{"id": _key(loop, row), "row": row} for row in rows]
    match loop.source.form:
        case "range":
            return range(loop.id * 1000, loop.id * 1000 + 10 * len(rows), 10)
        case "generator":
            return (f"{loop.id}-{row}" for row in rows)
        case "async":
            return _later([f"{loop.id}-{row}" for row in rows])
        case "dicts":
            return [{"row": row} for row in rows]
        case _:
            return [f"{loop.id}-{row}" for row in rows]


async def _later(items: list[str]) -> AsyncIterator[str]:
    for item in items:
        await asyncio.sleep(0)
        yield item


def _row(loop: nodes.Loop, item: Any) -> int:
    match item:
        case dict():
            return item["row"]
        case int():
            return item - loop.id * 1000
        case _:
            return int(item.split("-")[1])
