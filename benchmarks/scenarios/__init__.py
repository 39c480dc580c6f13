"""All scenarios by name, in the order in which they run and are shown."""

from __future__ import annotations

from benchmarks.scenario import Scenario
from benchmarks.scenarios import drain, enqueue, growth, idle, latency, listing, pause, startup

SCENARIOS: tuple[Scenario, ...] = (
    drain.SCENARIO,
    enqueue.SCENARIO,
    latency.SCENARIO,
    idle.SCENARIO,
    pause.SCENARIO,
    listing.SCENARIO,
    growth.SCENARIO,
    startup.SCENARIO,
)
