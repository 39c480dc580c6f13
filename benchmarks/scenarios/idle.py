"""Idle: what a worker costs while there is nothing to do."""

from __future__ import annotations

from benchmarks.rivals.contestants import celery, huey
from benchmarks.scenario import Contestant, Goal, Metric, Scenario

SCENARIO = Scenario(
    name="idle",
    question="How much CPU and memory does a worker take that has nothing to do?",
    size_means="seconds watched",
    size=20,
    quick_size=3,
    contestants=(
        Contestant("holdfast", "1 worker process", "benchmarks.ours.waiting:idle"),
        huey("huey", "polling every 5 ms, 1 worker thread", "idle"),
        celery("celery", "1 solo worker", "idle"),
    ),
    metrics=(
        Metric("worker_cpu_percent", "costliest process, % of a core", "less", 2),
        Metric("worker_rss_mb", "largest process, MB", "less", 1),
        Metric("tree_cpu_percent", "all, % of a core", "less", 2),
        Metric("tree_rss_mb", "all, MB", "less", 1),
        Metric("processes", "processes", "less"),
    ),
    goals=(
        Goal("worker_cpu_percent", "holdfast", must=1, aim=0.3),
        Goal("worker_rss_mb", "holdfast", must=70, aim=50),
    ),
)
