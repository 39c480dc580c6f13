"""PostgreSQL growth: whether what waits and what has been finished slow the drain."""

from __future__ import annotations

from benchmarks.scenario import Contestant, Goal, Metric, Scenario
from benchmarks.servers.postgres import POSTGRES

_EMPTY = "50,000 and nothing else"
_FULL = "50,000 of many"

SCENARIO = Scenario(
    name="postgres-growth",
    question="Does a drain on PostgreSQL keep its rate with very many jobs behind it and five times as many finished ones?",
    size_means="jobs waiting behind; five times as many are finished",
    size=200_000,
    quick_size=20_000,
    contestants=(
        Contestant(_EMPTY, "2 worker processes", "benchmarks.ours.growth:drain_alone", server=POSTGRES),
        Contestant(
            _FULL,
            "the same before and behind many, with their history",
            "benchmarks.ours.growth:drain_of_the_prepared",
            server=POSTGRES,
            on_copy=True,
        ),
    ),
    metrics=(Metric("jobs_per_s", "jobs/s", "more"),),
    goals=(Goal("jobs_per_s", _FULL, against=_EMPTY, must=0.8, aim=1.0),),
    seconds=1800,
    prepare="benchmarks.ours.growth:prepare",
    prepare_on=POSTGRES,
)
