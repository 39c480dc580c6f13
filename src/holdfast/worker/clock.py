"""The store's clock as a worker estimates it: attempts end also while the store is unavailable, and no settlement waits for
a query."""

from __future__ import annotations

import time
from collections.abc import Callable


class StoreClock:
    """Microseconds since the epoch on the store's clock: its distance from ours, measured now and then by `measure`."""

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        self._ahead = time.time_ns() // 1000 - _here()

    def __call__(self) -> int:
        return _here() + self._ahead

    def measure(self) -> None:
        """Ask the store for its time. Raises StorageUnavailable; the clock then keeps its offset."""
        asked = _here()
        answer = self._ask()
        self._ahead = answer - (asked + _here()) // 2


def _here() -> int:
    """A clock of this process that never steps."""
    return time.monotonic_ns() // 1000
