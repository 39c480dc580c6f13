"""This exists so that what a caller would have to ask again is asked again here, where nobody stands behind: a key that a
foreign transaction holds, and an insert whose commit was not answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.core.errors import StorageUnavailable
from holdfast.core.job import Inserted, NewJob
from holdfast.storage.gateway import PATIENCE, Gateway
from holdfast.storage.protocol import CommitUnknown, KeyPending

LONGEST_PAUSE = 0.5


def insert(gateway: Gateway, jobs: Sequence[NewJob]) -> list[Inserted]:
    """Store jobs once, also where a commit is not answered. Raises StorageUnavailable; CommitUnknown where nothing is known
    after PATIENCE seconds either."""
    tries = _Tries()
    while True:
        try:
            return tries.own(jobs, gateway.call("insert", list(jobs)))
        except (KeyPending, StorageUnavailable) as error:
            time.sleep(tries.pause(error))


async def ainsert(gateway: Gateway, jobs: Sequence[NewJob]) -> list[Inserted]:
    """The same for an event loop."""
    tries = _Tries()
    while True:
        try:
            return tries.own(jobs, await gateway.acall("insert", list(jobs)))
        except (KeyPending, StorageUnavailable) as error:
            await asyncio.sleep(tries.pause(error))


def call(gateway: Gateway, verb: str, *args: Any, **kwargs: Any) -> Any:
    """`Gateway.call`, again and again while a key is pending. Raises StorageUnavailable after PATIENCE seconds."""
    tries = _Tries()
    while True:
        try:
            return gateway.call(verb, *args, **kwargs)
        except KeyPending as pending:
            time.sleep(tries.pause(pending))


class _Tries:
    """The tries of one call."""

    def __init__(self) -> None:
        self._pauses = _pauses()
        self._unknown: CommitUnknown | None = None

    def pause(self, error: KeyPending | StorageUnavailable) -> float:
        """Seconds until the next try. Raises what the caller is told when there is none."""
        if isinstance(error, CommitUnknown):
            self._unknown = error
        if isinstance(error, StorageUnavailable) and self._unknown is None:
            raise error
        pause = next(self._pauses, None)
        if pause is None:
            raise self._unknown or StorageUnavailable(str(error)) from error
        return pause

    def own(self, jobs: Sequence[NewJob], inserted: list[Inserted]) -> list[Inserted]:
        """The answers, in which what an earlier try has stored is our doing too."""
        if self._unknown is None:
            return inserted
        return [
            Inserted(one.id, one.created or one.id == job.id) for job, one in zip(jobs, inserted, strict=True)
        ]


def _pauses() -> Iterator[float]:
    end, pause = time.monotonic() + PATIENCE, 0.02
    while time.monotonic() < end:
        yield pause
        pause = min(LONGEST_PAUSE, 2 * pause)
