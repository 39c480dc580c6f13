"""Calls that others are in the way of: each is run again after a pause, and takes little of the time of those that nobody
hinders."""

from __future__ import annotations

import heapq
import random
import time
from itertools import count
from typing import Final

from holdfast.storage.pending import PendingWrite

PAUSE = 0.005
"""Seconds, about, before a call that others were in the way of is run again; it doubles, up to the longest."""
MAX_PAUSE = 1.0

TIMEOUT = 15.0
"""Seconds after which such a call is given up."""

SHARE: Final = 0.2
"""Part of the time that these calls may take."""


class Aside:
    """The calls that have left the line to come again. Changed by whoever has the writing turn."""

    def __init__(self) -> None:
        self._calls: list[tuple[float, int, PendingWrite]] = []
        self._number = count()
        self._free_at = 0.0

    def put(self, pending: PendingWrite) -> bool:
        """Have a call run again later; False when its time is over."""
        now = time.monotonic()
        if not pending.repeats:
            return False
        if not pending.aside:
            pending.aside, pending.tries, pending.until = True, 0, now + TIMEOUT
        elif now > pending.until:
            return False
        heapq.heappush(self._calls, (now + pause(pending.tries), next(self._number), pending))
        pending.tries += 1
        return True

    def wait(self) -> float | None:
        """Seconds until the next one is due, None when there is none."""
        if not self._calls:
            return None
        return max(0.0, max(self._calls[0][0], self._free_at) - time.monotonic())

    def take(self) -> PendingWrite | None:
        """The next one, if it is due."""
        return heapq.heappop(self._calls)[2] if self.wait() == 0.0 else None

    def take_all(self) -> list[PendingWrite]:
        """Every one, due or not."""
        calls, self._calls = self._calls, []
        return [pending for _, _, pending in sorted(calls)]

    def spent(self, seconds: float) -> None:
        """So long has one taken: the next one waits until it was its share."""
        self._free_at = time.monotonic() + seconds * (1 / SHARE - 1)


def pause(tries: int) -> float:
    """Seconds before something is run again that has been tried so often already."""
    return min(MAX_PAUSE, PAUSE * 2 ** min(tries, 20)) * (0.5 + random.random())
