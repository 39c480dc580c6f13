"""The worker's notion of the store's time continues while the storage is unavailable."""

from __future__ import annotations

import time

import pytest

from holdfast.core.errors import StorageUnavailable
from holdfast.worker.clock import StoreClock

HOUR = 3_600_000_000


def test_it_keeps_the_distance_that_was_measured_last() -> None:
    times = [time.time_ns() // 1000 + HOUR]

    def ask() -> int:
        if not times:
            raise StorageUnavailable("there is no store")
        return times.pop()

    clock = StoreClock(ask)
    assert abs(clock() - time.time_ns() // 1000) < HOUR // 2, "not measured yet: the time of this host"
    clock.measure()
    with pytest.raises(StorageUnavailable):
        clock.measure()
    assert abs(clock() - time.time_ns() // 1000 - HOUR) < HOUR // 60
    assert clock() <= clock()
