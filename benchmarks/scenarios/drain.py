"""Drain: how fast a backlog of no-op jobs is worked off."""

from __future__ import annotations

from benchmarks.rivals.contestants import celery, huey, raw
from benchmarks.scenario import Contestant, Goal, Metric, Scenario

_OURS = "holdfast, 2 processes"
_HUEY = "huey"
_RAW = "raw claim 100 + complete 100"

SCENARIO = Scenario(
    name="drain",
    question="How many no-op jobs per second from the first one's start to the last completion record?",
    size_means="jobs waiting",
    size=50_000,
    quick_size=2_000,
    contestants=(
        Contestant(
            _OURS,
            "SQLite, durable commits, states and history written",
            "benchmarks.ours.drain:by_processes",
            argument="2",
        ),
        huey(_HUEY, "durable commits, at most once, nothing kept, 1 worker thread", "drain"),
        raw(_RAW, "one process, no history", "claim_and_complete_by_one"),
        Contestant(
            "holdfast, 1 process",
            "the same with one worker process",
            "benchmarks.ours.drain:by_processes",
            argument="1",
        ),
        Contestant(
            "holdfast, 4 processes",
            "the same with four",
            "benchmarks.ours.drain:by_processes",
            argument="4",
        ),
        celery("celery", "at most once, nothing kept, 2 solo workers", "drain"),
        raw(f"{_RAW}, 2 processes", "two processes, no history", "claim_and_complete_by_two"),
    ),
    metrics=(
        Metric("jobs_per_s", "jobs/s", "more"),
        Metric("cpu_us_per_job", "CPU µs per job", "less", 1),
        Metric("peak_rss_mb", "peak RSS, MB", "less"),
        Metric("bytes_per_job", "bytes per job", "less"),
    ),
    goals=(
        Goal("jobs_per_s", _OURS, against=_HUEY, must=5, aim=10),
        Goal("jobs_per_s", _OURS, against="celery"),
        Goal("jobs_per_s", _OURS, against=_RAW),
        Goal("jobs_per_s", _OURS, against="holdfast, 1 process"),
    ),
)
