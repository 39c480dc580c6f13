"""Start-up: how soon the whole of it is ready."""

from __future__ import annotations

from benchmarks.scenario import Contestant, Goal, Metric, Scenario

SCENARIO = Scenario(
    name="startup",
    question="How long from `holdfast up` with the sample jobs to its ready line, second start?",
    size_means="starts measured in each run",
    size=1,
    quick_size=1,
    contestants=(
        Contestant("holdfast", "web, scheduler and worker on SQLite", "benchmarks.ours.startup:second_start"),
    ),
    metrics=(Metric("seconds", "seconds", "less", 2),),
    goals=(Goal("seconds", "holdfast", must=2, aim=1),),
)
