"""Enqueue: how fast jobs are stored, one by one and many at a time."""

from __future__ import annotations

from benchmarks.rivals.contestants import celery, huey, raw
from benchmarks.scenario import Contestant, Goal, Metric, Scenario

_ONE = "holdfast, 1 thread"
_SIXTEEN = "holdfast, 16 threads"
_MANY = "holdfast, enqueue_many"

SCENARIO = Scenario(
    name="enqueue",
    question="How many jobs per second are stored durably by one program, arguments validated?",
    size_means="jobs stored",
    size=20_000,
    quick_size=1_600,
    contestants=(
        Contestant(_ONE, "one transaction per call", "benchmarks.ours.enqueue:one_thread"),
        huey("huey, 1 thread", "one transaction per call", "enqueue"),
        raw("raw insert", "one per transaction", "insert_one_by_one"),
        celery("celery, 1 thread", "durable as that Redis is configured", "enqueue"),
        Contestant(_SIXTEEN, "calls share commits", "benchmarks.ours.enqueue:sixteen_threads"),
        huey("huey, 16 threads", "one transaction per call", "enqueue_by_threads"),
        celery("celery, 16 threads", "durable as that Redis is configured", "enqueue_by_threads"),
        Contestant(_MANY, "1,000 per transaction", "benchmarks.ours.enqueue:many"),
        raw("raw insert many", "1,000 per transaction", "insert_many"),
    ),
    metrics=(Metric("jobs_per_s", "jobs/s", "more"),),
    goals=(
        Goal("jobs_per_s", _ONE, must=4_000, aim=6_500),
        Goal("jobs_per_s", _SIXTEEN, must=12_000, aim=25_000),
        Goal("jobs_per_s", _MANY, must=60_000, aim=150_000),
        Goal("jobs_per_s", _ONE, against="huey, 1 thread"),
        Goal("jobs_per_s", _ONE, against="raw insert"),
        Goal("jobs_per_s", _SIXTEEN, against="huey, 16 threads"),
        Goal("jobs_per_s", _MANY, against="raw insert many"),
    ),
)
