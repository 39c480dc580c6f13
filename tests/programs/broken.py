"""Contexts and ports with one fault each: what a judge must be able to find."""

from __future__ import annotations

import json
from typing import Any

from holdfast.context import JobContext
from holdfast.context.worker_link import Flags, Snapshot
from tests.programs.crash_port import CrashPort
from tests.programs.life import MakeContext, MakePort
from tests.programs.striking import Points


def _changed(saved: str | None, **members: Any) -> str:
    return json.dumps({**json.loads(saved or "{}"), **members})


class SkipsAnItem(CrashPort):
    """The place is one item too far where an attempt has ended."""

    def hold(self, snapshot: Snapshot) -> None:
        saved = json.loads(snapshot.saved)
        for place in saved.get("positions", {}).values() if self.flags.any else ():
            if "last" in place and place["done"] < place.get("total", 0):
                place["done"] += 1
                del place["last"]
        super().hold(Snapshot(json.dumps(saved), snapshot.held))


class ForgetsSteps(JobContext):
    """A step's result is not stored."""

    __slots__ = ()

    def step(self, name: str, fn: Any, *args: Any) -> Any:
        self.raise_if_interrupted()
        return fn(*args)

    async def step_async(self, name: str, fn: Any, *args: Any) -> Any:
        self.raise_if_interrupted()
        return await fn(*args)


class MixesUpAnswers(JobContext):
    """The answer of a step is found by its name alone, whichever item it belongs to."""

    __slots__ = ("_answers",)

    def __init__(self, port: CrashPort) -> None:
        super().__init__(port)
        self._answers: dict[str, Any] = {}

    def step(self, name: str, fn: Any, *args: Any) -> Any:
        if name not in self._answers:
            self._answers[name] = super().step(name, fn, *args)
        return self._answers[name]

    async def step_async(self, name: str, fn: Any, *args: Any) -> Any:
        if name not in self._answers:
            self._answers[name] = await super().step_async(name, fn, *args)
        return self._answers[name]


class MixesUpResults(JobContext):
    """The results of a map come in the order in which they were ready."""

    __slots__ = ()

    def map(self, function: Any, iterable: Any, *args: Any, **options: Any) -> Any:
        results = super().map(function, iterable, *args, **options)
        return results[::-1] if isinstance(results, list) else _reversed(results)


async def _reversed(results: Any) -> Any:
    return list(await results)[::-1]


class StateAhead(CrashPort):
    """What is reported at intervals has the state of that moment, and the place of the item before."""

    context: JobContext

    def hold(self, snapshot: Snapshot) -> None:
        super().hold(Snapshot(_changed(snapshot.saved, state=self.context.state), snapshot.held))


class StateBehind(CrashPort):
    """The changes that were made in place since the last checkpoint are not saved."""

    def hold(self, snapshot: Snapshot) -> None:
        before = json.loads(self.handed[-1][0] or "{}").get("state", {})
        super().hold(Snapshot(_changed(snapshot.saved, state=before), snapshot.held))


class OneBehind(CrashPort):
    """The last snapshot is lost at the end of an attempt, in whatever way it ended."""

    def hold(self, snapshot: Snapshot) -> None:
        if not self.flags.ended:
            super().hold(snapshot)


class LosesStored(CrashPort):
    """A crash takes what had been stored."""

    def kept(self, keep: str) -> tuple[str | None, int, int]:
        return (self.handed[0][0], *super().kept(keep)[1:])


class NoTicks(CrashPort):
    """Nothing is held by time."""

    def hold(self, snapshot: Snapshot) -> None:
        if self.flags.any:
            super().hold(snapshot)


class SwallowedIsSuccess(CrashPort):
    """An interruption that was caught by the program is forgotten: its return is a success."""

    def __init__(self, saved: str | None, number: int, points: Points) -> None:
        super().__init__(saved, number, points)
        self.flags = _DeafFlags()


class _DeafFlags(Flags):
    def __setattr__(self, name: str, value: bool) -> None:
        super().__setattr__(name, value and name != "heard")


class WithContext:
    """A port that knows its context."""

    def __init__(self) -> None:
        self._port: StateAhead | None = None

    def port(self, saved: str | None, number: int, points: Points) -> CrashPort:
        self._port = StateAhead(saved, number, points)
        return self._port

    def context(self, port: CrashPort) -> JobContext:
        context = JobContext(port)
        assert isinstance(port, StateAhead)
        port.context = context
        return context


_with_context = WithContext()

REPEATED, MISSING, SUM = "is repeated although", "never happened|happened before", "the sum"
RESULTS = "map [0-9]+ returned"
FAULTS: dict[str, tuple[MakeContext, MakePort, str]] = {
    "an item is skipped": (JobContext, SkipsAnItem, f"{MISSING}|{RESULTS}"),
    "a step is forgotten": (ForgetsSteps, CrashPort, REPEATED),
    "another item's answer": (MixesUpAnswers, CrashPort, "got the answer of"),
    "results in another order": (MixesUpResults, CrashPort, RESULTS),
    "state ahead of the place": (_with_context.context, _with_context.port, SUM),
    "state behind the place": (JobContext, StateBehind, SUM),
    "the end is not reported": (JobContext, OneBehind, f"{REPEATED}|{SUM}"),
    "what was stored is lost": (JobContext, LosesStored, f"{REPEATED}|{SUM}"),
    "nothing is held by time": (JobContext, NoTicks, f"{REPEATED}|{SUM}"),
    "a swallowed interruption is a success": (JobContext, SwallowedIsSuccess, MISSING),
}
"""Makers of a context and a port with a fault, and what the judge has to say of it. A place that is not held takes the state
behind with it: which of the two is seen first depends on the program."""
