"""All scenarios by name, in the order in which they run and are shown."""

from __future__ import annotations

from benchmarks.scenario import Scenario
from benchmarks.scenarios import (
    drain,
    enqueue,
    growth,
    idle,
    latency,
    listing,
    mariadb,
    pause,
    postgres,
    postgres_growth,
    postgres_trouble,
    startup,
    storm,
    watchers,
)

SCENARIOS: tuple[Scenario, ...] = (
    drain.SCENARIO,
    enqueue.SCENARIO,
    latency.SCENARIO,
    idle.SCENARIO,
    pause.SCENARIO,
    storm.SCENARIO,
    listing.SCENARIO,
    growth.SCENARIO,
    watchers.SCENARIO,
    startup.SCENARIO,
    postgres.DRAIN,
    postgres.ENQUEUE,
    postgres.ENQUEUE_MANY,
    postgres.LATENCY,
    postgres_growth.SCENARIO,
    postgres_trouble.HELD_OPEN,
    postgres_trouble.RESCUE,
    mariadb.DRAIN,
)
