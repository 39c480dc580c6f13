"""Runs a program with a `JobContext`, as `async def` and as `def`, and notes what it does."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from holdfast.context import JobContext
from holdfast.core.outcome import Interrupted
from tests.programs import nodes
from tests.programs.nodes import Node
from tests.programs.striking import Crash, Forced, Points
from tests.programs.trace import Fact, Key, Trace
from tests.programs.visiting import OUTERMOST, Frame, Visit


class Planned(Exception):
    """What a program raises and catches itself."""


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing: the body of a `def` job."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a def job cannot wait")


class Interpreter:
    """One attempt of a program."""

    def __init__(
        self, ctx: JobContext, trace: Trace, points: Points, *, is_async: bool, pace: float = 0.0
    ) -> None:
        self.ctx = ctx
        self.trace = trace
        self.points = points
        self.is_async = is_async
        self._pace = pace

    async def run(self, body: tuple[Node, ...], frame: Frame = OUTERMOST) -> bool:
        """True when the body was left by `break`."""
        for node in body:
            match node:
                case nodes.Effect():
                    await self._effect(frame, node.id, node.waits)
                case nodes.Step():
                    await self._step(node, frame)
                case nodes.Checkpoint():
                    await self._checkpoint(node)
                case nodes.Add():
                    self.trace.touch()
                    state, name = self.ctx.state, f"a{node.id}"
                    state[name] = state.get(name, 0) + frame.row + 1
                    self.points.at("after a sum", last=True)
                case nodes.ItemDone():
                    self.ctx.item_done()
                    self._ended(frame)
                    self.trace.mark(("item", frame.place[-2:] and (frame.place[:-1], frame.row)))
                case nodes.PausePoint():
                    self.ctx.raise_if_interrupted()
                case nodes.Break() if frame.row == 10 * node.at:
                    return True
                case nodes.Raise() if frame.row == 10 * node.at:
                    raise Planned
                case nodes.Again() if frame.depth and frame.loop is not None:
                    await self._loop(frame.loop, replace(frame, depth=frame.depth - 1))
                case nodes.Loop():
                    await self._loop(node, replace(frame, depth=node.depth))
                case nodes.Map():
                    await self._map(node, frame)
                case nodes.Try():
                    try:
                        if await self.run(node.body, frame):
                            return True
                    except Planned:
                        self.trace.say("a planned exception is caught")
                case nodes.Swallow():
                    if await self._swallow(node, frame):
                        return True
                case nodes.Repeat():
                    for n in range(node.times):
                        part = f"r{node.id}.{n}"
                        inner = replace(frame, place=(*frame.place, part), within=frame.within + part)
                        await self.run(node.body, inner)
                case nodes.Parallel():
                    await self._parallel(node, frame)
                case _:
                    pass
        return False

    async def _effect(self, frame: Frame, id: int, waits: int = 0) -> None:
        self.points.at(f"before effect {id}")
        self.trace.effect((frame.place, id), frame.facts)
        await self._wait(frame, waits)

    async def _wait(self, frame: Frame, turns: int) -> None:
        if self.is_async:
            for _ in range(turns):
                await asyncio.sleep(self._pace)
        elif turns:
            self.points.turns.switch(frame.thread)

    async def _step(self, node: nodes.Step, frame: Frame) -> None:
        key: Key = (frame.place, -node.id if node.renamed else node.id)
        fact: Fact = ("step", key)
        name = f"s{node.id}{'new' if node.renamed else ''}{frame.within}"

        def function() -> str:
            self.points.at(f"in step {name}")
            self.trace.effect(key, (*frame.facts, fact))
            self.points.at(f"at the end of step {name}")
            return repr(key)

        async def function_async() -> str:
            await asyncio.sleep(0)
            return function()

        def in_a_thread() -> str:
            answer = self.ctx.step(name, function)
            self.trace.mark(fact)
            return answer

        style = node.style if frame.alone else "plain"
        if not self.is_async:
            answer = self.ctx.step(name, function)
        elif style == "executor":
            answer = await asyncio.get_running_loop().run_in_executor(None, in_a_thread)
        elif style == "thread":
            answer = await asyncio.to_thread(in_a_thread)
        else:
            answer = await self.ctx.step_async(name, function_async)
        if style == "plain" or not self.is_async:
            self.trace.mark(fact)
        if answer != repr(key):
            self.trace.complain(f"step {name} of {key!r} got the answer of {answer}")

    async def _checkpoint(self, node: nodes.Checkpoint) -> None:
        self.trace.touch()
        state = {**self.ctx.state, f"c{node.id}": 1}
        if self.is_async:
            await self.ctx.checkpoint_async(state)
        else:
            self.ctx.checkpoint(state)

    async def _swallow(self, node: nodes.Swallow, frame: Frame) -> bool:
        try:
            return await self.run(node.body, frame)
        except BaseException as error:
            kinds = {type(leaf) for leaf in leaves(error)}
            if kinds != {Interrupted}:  # all else is the program's own, or the end of its process
                raise
            self.trace.swallow()
            return False

    # -- loops ----------------------------------------------------------------------------------------------------------

    async def _loop(self, loop: nodes.Loop, frame: Frame) -> None:
        visit = Visit(self.ctx, self.trace, self.points, self.run, loop, frame)
        track = visit.track()
        try:
            if loop.style == "for" or not self.is_async:
                for item in track:
                    if await visit.item(item):
                        break
                else:
                    visit.finish()
            elif loop.style == "async for":
                async for item in track:
                    if await visit.item(item):
                        break
                else:
                    visit.finish()
            else:
                await visit.one_by_one(track)
        except Interrupted:
            if not visit.inside:
                visit.settle()
            raise

    async def _map(self, node: nodes.Map, frame: Frame) -> None:
        place = (*frame.place, node.id)
        loop_fact: Fact = ("loop", place)
        items = [f"{node.id}-{10 * n}" for n in range(node.size)]
        ended: list[int] = []

        async def body(item: str) -> str:
            row = int(item.split("-")[1])
            facts = (*frame.facts, loop_fact, ("item", (place, row)))
            inner = Frame((*place, row), facts, row=row, alone=False, thread=f"{place} {row}")
            await self._effect(inner, node.id, 1)
            await self.run(node.body, inner)
            self.points.at("at the end of an item of a map", last=True)
            self.trace.end_item(place, row)
            ended.append(row)
            return f"result of {item}"

        def body_here(item: str) -> str:
            name = f"{place} {item}"
            self.points.turns.enter(name)
            try:
                return drive(body(item))
            finally:
                self.points.turns.leave()

        try:
            if self.is_async:
                results = await self.ctx.map(body, items, parallel=node.parallel, name=node.name)
            else:
                self.points.turns.leave()
                try:
                    results: Any = self.ctx.map(body_here, items, parallel=node.parallel, name=node.name)
                finally:
                    self.points.turns.enter(frame.thread)
        except BaseException as error:
            if not {type(leaf) for leaf in leaves(error)} & {Crash, Forced, asyncio.CancelledError}:
                for row in ended:
                    self.trace.mark(("item", (place, row)))
            raise
        for row in ended:
            self.trace.mark(("item", (place, row)))
        self.trace.mark(loop_fact)
        if results != [f"result of {item}" for item in items]:
            self.trace.complain(f"map {node.id} returned {results}")

    def _ended(self, frame: Frame) -> None:
        self.trace.end_item(frame.place[:-1], frame.row)

    # -- side by side ---------------------------------------------------------------------------------------------------

    async def _parallel(self, node: nodes.Parallel, frame: Frame) -> None:
        frames = [
            replace(frame, alone=False, thread=f"{frame.thread} {node.id}.{n}")
            for n in range(len(node.branches))
        ]
        parts = list(zip(node.branches, frames, strict=True))
        if not self.is_async:
            self._threads(node.kind, parts, frame)
        elif node.kind == "group":
            async with asyncio.TaskGroup() as group:
                for branch, inner in parts:
                    group.create_task(self.run(branch, inner))
        else:
            await asyncio.gather(*(self.run(branch, inner) for branch, inner in parts))

    def _threads(self, kind: str, parts: list[tuple[tuple[Node, ...], Frame]], frame: Frame) -> None:
        def part(branch: tuple[Node, ...], inner: Frame) -> None:
            self.points.turns.enter(inner.thread)
            try:
                drive(self.run(branch, inner))
            finally:
                self.points.turns.leave()

        turns = self.points.turns
        turns.expect(*(inner.thread for _, inner in parts))
        turns.leave()
        try:
            with ThreadPoolExecutor(len(parts)) as pool:
                futures = [
                    pool.submit(part, branch, inner)
                    if kind == "bare"
                    else pool.submit(contextvars.copy_context().run, part, branch, inner)
                    for branch, inner in parts
                ]
        finally:
            turns.enter(frame.thread)
        for future in futures:
            future.result()


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in an exception group, or the one."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error
