"""Latency: how soon an idle worker begins with a job."""

from __future__ import annotations

from benchmarks.rivals.contestants import celery, huey
from benchmarks.scenario import Contestant, Goal, Metric, Scenario

SCENARIO = Scenario(
    name="latency",
    question="How long from the enqueue call in one process to the first line of the job in an idle worker?",
    size_means="jobs, one each 20 ms",
    size=300,
    quick_size=50,
    contestants=(
        Contestant("holdfast", "1 worker process", "benchmarks.ours.waiting:start_latency"),
        huey("huey", "polling every 5 ms, 1 worker thread", "start_latency"),
        celery("celery", "1 solo worker", "start_latency"),
    ),
    metrics=(
        Metric("p50_ms", "p50 ms", "less", 2),
        Metric("p95_ms", "p95 ms", "less", 2),
        Metric("p99_ms", "p99 ms", "less", 2),
        Metric("max_ms", "max ms", "less", 2),
    ),
    goals=(
        Goal("p50_ms", "holdfast", must=3, aim=1),
        Goal("p99_ms", "holdfast", must=10, aim=4),
        Goal("p50_ms", "holdfast", against="huey"),
        Goal("p50_ms", "holdfast", against="celery"),
    ),
)
