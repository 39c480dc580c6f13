"""Keeps claims fast while another transaction keeps the server from removing dead rows.

As long as the oldest transaction of the whole server lives, each job that was ever claimed since leaves an entry at the head
of its lane, and a claim from the start of the lane passes all of them. When a claim was slow, and the head of a lane turns
out to be far from its start, the next claims begin where the last one has found its first job. What was put back below that
place meanwhile (a retry, a requeued job) is found by the next claim from the start, which comes after a second, later
where such a claim takes long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

SLOW: Final = 0.005
"""Seconds that a claim may take before one asks why."""

FAR: Final = 50
"""With so many pages between the start of a lane and its first job, thousands that are dead lie there; else it is five."""

MIN_GAP: Final = 1.0
SHARE: Final = 50
"""A claim from the start may take one part in so many of the time, but comes after MAX_GAP seconds at the latest."""

MAX_GAP: Final = 10.0
MAX_LANES: Final = 4


class Floors:
    """Where the claims of one process begin, by lane. `pages(lane)` tells how many pages its head is from its start."""

    def __init__(self, pages: Callable[[int], int]) -> None:
        self._pages = pages
        self._heads: dict[int, int] = {}
        self._on = False
        self._next_full = float("-inf")
        self._next_look = float("-inf")

    def begin(self) -> dict[int, int]:
        """The floors of a claim that begins now; {} from the start."""
        return self._heads if self._on and time.monotonic() < self._next_full else {}

    def learn(self, used: dict[int, int], heads: dict[int, int], seconds: float) -> None:
        """A claim that began at the floors `used` has taken so long, and its first job of each lane was `heads`."""
        self._heads = self._heads | heads
        if used:
            return
        now = time.monotonic()
        self._next_full = now + min(MAX_GAP, max(MIN_GAP, SHARE * seconds))
        if seconds < SLOW:
            self._on = False
        elif not self._on and now >= self._next_look:
            self._next_look = now + MIN_GAP
            self._on = any(self._pages(lane) > FAR for lane in list(heads or self._heads)[-MAX_LANES:])
