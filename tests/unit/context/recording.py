"""A link that records what a job reported, in that order, and whose flags a test sets."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

from holdfast.context.worker_link import Attempt, Flags, Remembering, Snapshot


class RecordingPort:
    """`stored` is what a store would have at the end of the attempt: the newest of `hold` and `store`; `durable` is the
    newest of `store`."""

    def __init__(
        self,
        saved: str | None = None,
        *,
        args: str = "{}",
        kind: str = "sample",
        watch: Callable[[str], None] | None = None,
    ) -> None:
        self.attempt = Attempt("0190", kind, 1, 11, 7, args, "ann", ("eu",), saved)
        self.flags = Flags()
        self.memory: Remembering | None = None
        self.held: dict[str, float] = {}
        self.events: list[tuple[str, Any]] = []
        self.stored = saved
        self.durable = saved
        self.refuse: Exception | None = None
        self._watch = watch
        self._woken = threading.Event()

    def of(self, kind: str) -> list[Any]:
        return [value for name, value in self.events if name == kind]

    @property
    def saved(self) -> dict[str, Any]:
        return json.loads(self.stored) if self.stored else {}

    @property
    def last_progress(self) -> dict[str, Any]:
        """The newest progress, as it would be sent now."""
        value = self.of("progress")[-1]
        bars = [self._as_sent(bar) for bar in value.get("bars", [])]
        return self._as_sent(value) | ({"bars": bars} if bars else {})

    def raise_flag(self, name: str) -> None:
        setattr(self.flags, name, True)
        self._woken.set()

    def remember(self, memory: Remembering) -> None:
        self.memory = memory

    def progress(self, value: dict[str, Any]) -> None:
        self._note("progress", value)

    def _as_sent(self, bar: dict[str, Any]) -> dict[str, Any]:
        sent = {name: part for name, part in bar.items() if name not in ("key", "bars")}
        held = self.held.get(bar["key"])
        return sent if held is None else sent | {"held": held}

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        self._note("log", (at, level, message, fields))

    def hold(self, snapshot: Snapshot) -> None:
        self.stored, self.held = snapshot
        self._note("hold", snapshot.saved)

    def store(self, snapshot: Snapshot) -> RecordedDelivery:
        if self.refuse is None:
            self.stored, self.held = snapshot
            self.durable = snapshot.saved
            self._note("save", snapshot.saved)
        return RecordedDelivery(self.refuse)

    def wait(self, seconds: float) -> None:
        self._woken.wait(seconds)

    async def wait_async(self, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        while not self.flags.any and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.005)

    def _note(self, kind: str, value: Any) -> None:
        self.events.append((kind, value))
        if self._watch is not None:
            self._watch(kind)


class RecordedDelivery:
    """A delivery that has arrived, or was refused."""

    def __init__(self, refused: Exception | None) -> None:
        self._refused = refused

    def wait(self) -> None:
        if self._refused is not None:
            raise self._refused

    async def wait_async(self) -> None:
        await asyncio.sleep(0)
        self.wait()


def end(port: RecordingPort) -> RecordingPort:
    """The attempt is over, as its executor says: the port of the next one."""
    assert port.memory is not None
    assert port.memory.end() is None
    return RecordingPort(port.stored)
