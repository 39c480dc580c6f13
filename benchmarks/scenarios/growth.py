"""Growth: whether a long backlog slows the claims, and with them the drain."""

from __future__ import annotations

from benchmarks.scenario import Contestant, Goal, Metric, Scenario

_CLAIMS = "benchmarks.ours.growth:claims"
_DRAIN = "benchmarks.ours.growth:drain_of_the_first"

SCENARIO = Scenario(
    name="growth",
    question="Does a worker claim as fast with very many jobs waiting as with few?",
    size_means="jobs waiting, where there are many",
    size=1_000_000,
    quick_size=20_000,
    contestants=(
        Contestant("claim, 1,000 waiting", "claims of 100, one transaction each", _CLAIMS, argument="few"),
        Contestant("claim, many waiting", "claims of 100, one transaction each", _CLAIMS, argument="many"),
        Contestant("drain, 1,000 behind", "the first 20,000, 1 worker process", _DRAIN, argument="few"),
        Contestant("drain, many behind", "the first 20,000, 1 worker process", _DRAIN, argument="many"),
    ),
    metrics=(Metric("claims_per_s", "claims/s", "more"), Metric("jobs_per_s", "jobs/s", "more")),
    goals=(
        Goal("claims_per_s", "claim, many waiting", against="claim, 1,000 waiting", must=0.8, aim=1.0),
        Goal("jobs_per_s", "drain, many behind", against="drain, 1,000 behind"),
    ),
)
