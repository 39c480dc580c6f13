"""This exists so that everything which runs by the clock has one lifecycle: a duty says what to do once and when to look
again,
the loop around it does the waiting, the waking, the errors and the stopping."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

import structlog

from holdfast.core.errors import StorageUnavailable
from holdfast.runtime.signals import Signals
from holdfast.storage.protocol import Topic

LONGEST_BACKOFF = 10.0
LEAST_GAP = 0.005

log = structlog.get_logger("holdfast.runtime")


class Duty(Protocol):
    """Something that has to be done again and again."""

    name: str
    topics: Sequence[Topic]
    """Signals that make it look earlier."""

    async def run_once(self) -> float:
        """Do it; answer in how many seconds to look again."""
        ...


class DutyLoop:
    """Runs one duty until stopped. Starting twice and stopping before the start are harmless."""

    def __init__(self, duty: Duty, signals: Signals) -> None:
        self._duty = duty
        self._signals = signals
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running event loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._duty.name)

    async def stop(self) -> None:
        """End; a pass that is under way is abandoned between two store calls."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        listener = self._signals.listen(self._duty.topics) if self._duty.topics else None
        failures = 0
        try:
            while True:
                try:
                    delay = await self._duty.run_once()
                    failures = 0
                except StorageUnavailable as error:
                    failures += 1
                    delay = min(LONGEST_BACKOFF, 0.25 * 2**failures) * (0.5 + random.random() / 2)
                    log.warning(
                        "the store does not answer",
                        duty=self._duty.name,
                        error=str(error),
                        again_in=round(delay, 2),
                    )
                if listener is None or failures:
                    await asyncio.sleep(delay)
                else:
                    await listener.wait_async(delay)
                    await asyncio.sleep(LEAST_GAP)
        finally:
            if listener is not None:
                listener.close()
