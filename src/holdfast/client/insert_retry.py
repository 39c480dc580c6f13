"""Repeats an insert whose key another transaction holds, or whose commit was not confirmed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import Inserted, NewJob
from holdfast.storage.errors import CommitUnknown, KeyPending
from holdfast.storage.gateway import TIMEOUT, Gateway
from holdfast.storage.writes import Insert, Write

R = TypeVar("R")

MAX_PAUSE = 0.5


def insert(gateway: Gateway, jobs: Sequence[NewJob]) -> list[Inserted]:
    """Store jobs once, also when a commit is not confirmed. Raises StorageUnavailable; CommitUnknown when it is still
    unknown after TIMEOUT seconds."""
    tries = _Tries()
    while True:
        try:
            return tries.own(jobs, gateway.run(Insert(list(jobs))))
        except (KeyPending, StorageUnavailable) as error:
            time.sleep(tries.pause(error))


async def insert_async(gateway: Gateway, jobs: Sequence[NewJob]) -> list[Inserted]:
    """`insert` for an event loop."""
    tries = _Tries()
    while True:
        try:
            return tries.own(jobs, await gateway.run_async(Insert(list(jobs))))
        except (KeyPending, StorageUnavailable) as error:
            await asyncio.sleep(tries.pause(error))


def run(gateway: Gateway, write: Write[R]) -> R:
    """`Gateway.run`, repeated while a key is pending. Raises StorageUnavailable after TIMEOUT seconds."""
    tries = _Tries()
    while True:
        try:
            return gateway.run(write)
        except KeyPending as pending:
            time.sleep(tries.pause(pending))


class _Tries:
    """The tries of one write."""

    def __init__(self) -> None:
        self._pauses = _pauses()
        self._unknown: CommitUnknown | None = None

    def pause(self, error: KeyPending | StorageUnavailable) -> float:
        """Seconds until the next try. Raises the error for the caller when there is none."""
        if isinstance(error, CommitUnknown):
            self._unknown = error
        if isinstance(error, StorageUnavailable) and self._unknown is None:
            raise error
        pause = next(self._pauses, None)
        if pause is None:
            raise self._unknown or StorageUnavailable(str(error)) from error
        return pause

    def own(self, jobs: Sequence[NewJob], inserted: list[Inserted]) -> list[Inserted]:
        """The results, in which jobs that an earlier try has stored count as created."""
        if self._unknown is None:
            return inserted
        return [
            Inserted(one.id, one.created or one.id == job.id) for job, one in zip(jobs, inserted, strict=True)
        ]


def _pauses() -> Iterator[float]:
    end, pause = time.monotonic() + TIMEOUT, 0.02
    while time.monotonic() < end:
        yield pause
        pause = min(MAX_PAUSE, 2 * pause)
