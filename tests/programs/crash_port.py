"""A port whose process can die: what had been reported and not stored may be lost."""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast.context.worker_link import Attempt, Flags, Remembering, Snapshot
from tests.programs.striking import Points


class CrashPort:
    """`handed`: snapshots in the order of reporting, each with the number of marks that it holds at least, and the number
    of marks of which it holds the items at least (those that were done when the clock struck)."""

    def __init__(self, saved: str | None, number: int, points: Points) -> None:
        self.attempt = Attempt("0190", "program", number, 100, number, "{}", None, (), saved)
        self.flags = Flags()
        self.memory: Remembering | None = None
        self.handed: list[tuple[str | None, int, int]] = [(saved, 0, 0)]
        self.stored = 0
        self.points = points

    def remember(self, memory: Remembering) -> None:
        self.memory = memory

    def progress(self, value: dict[str, Any]) -> None:
        """Progress is judged by other tests."""

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        """The console is judged by other tests."""

    def hold(self, snapshot: Snapshot) -> None:
        self._hand(snapshot)
        self.points.at("after a snapshot was held", inside_port=True)

    def store(self, snapshot: Snapshot) -> _Delivery:
        self.points.at("before a snapshot is stored", inside_port=True)
        return _Delivery(self, self._hand(snapshot))

    def wait(self, seconds: float) -> None:
        """Time is short here."""

    async def wait_async(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def tick(self) -> None:
        """The interval of the worker is over: what is certainly done has then been reported."""
        if self.memory is None or self.flags.ended:
            return
        marks = self.points.trace.held_by_time()
        self.memory.tick()
        saved, held, before = self.handed[-1]
        self.handed[-1] = (saved, held, max(before, marks))

    def kept(self, keep: str) -> tuple[str | None, int, int]:
        """What a crash leaves in the store."""
        last = len(self.handed) - 1
        return self.handed[{"none": self.stored, "half": (self.stored + last + 1) // 2, "all": last}[keep]]

    def _hand(self, snapshot: Snapshot) -> int:
        if not self.points.dead:
            self.handed.append((snapshot.saved, len(self.points.trace.marks), 0))
            self.points.trace.say(f"snapshot {snapshot.saved}")
        return len(self.handed) - 1


class _Delivery:
    def __init__(self, port: CrashPort, number: int) -> None:
        self._port = port
        self._number = number

    def wait(self) -> None:
        self._port.points.at("before a snapshot was stored", inside_port=True)
        self._port.stored = max(self._port.stored, self._number)
        self._port.points.at("after a snapshot was stored", inside_port=True)

    async def wait_async(self) -> None:
        await asyncio.sleep(0)
        self.wait()
        await asyncio.sleep(0)
