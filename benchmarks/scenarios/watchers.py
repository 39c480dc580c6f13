"""Watchers: what it costs a drain that others hear of every change."""

from __future__ import annotations

from benchmarks.scenario import Contestant, Goal, Metric, Scenario

_DRAIN = "benchmarks.ours.watchers:drain"

SCENARIO = Scenario(
    name="watchers",
    question="How fast is a backlog worked off while programs hear of every change by event stream?",
    size_means="jobs waiting",
    size=50_000,
    quick_size=2_000,
    contestants=(
        Contestant("none", "2 worker processes and a web server, SQLite", _DRAIN, argument="0"),
        Contestant("1 watcher", "the same", _DRAIN, argument="1"),
        Contestant("10 watchers", "the same", _DRAIN, argument="10"),
        Contestant("100 watchers", "the same", _DRAIN, argument="100"),
    ),
    metrics=(Metric("jobs_per_s", "jobs/s", "more"), Metric("kb_each", "kB sent to each", "less", 1)),
    goals=(
        Goal("jobs_per_s", "1 watcher", against="none"),
        Goal("jobs_per_s", "10 watchers", against="none"),
        Goal("jobs_per_s", "100 watchers", against="none"),
    ),
)
