"""A port that remembers what a job handed up, in the order of handing up, and whose flags a test sets."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

from holdfast.context.port import Attempt, Flags


class RecordingPort:
    """`stored` is what a store would have at the end of the attempt: the newest of `hold` and `save`."""

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
        return json.loads(self.of("progress")[-1])

    def raise_flag(self, name: str) -> None:
        setattr(self.flags, name, True)
        self._woken.set()

    def progress(self, text: str) -> None:
        self._note("progress", text)

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        self._note("log", (at, level, message, fields))

    def hold(self, saved: str) -> None:
        self.stored = saved
        self._note("hold", saved)

    def save(self, saved: str) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.stored = self.durable = saved
        self._note("save", saved)

    async def save_async(self, saved: str) -> None:
        await asyncio.sleep(0)
        self.save(saved)

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
