"""Storm: what a page of jobs costs its viewer while everything on it changes."""

from __future__ import annotations

from benchmarks import browser
from benchmarks.scenario import Contestant, Goal, Metric, Scenario

SCENARIO = Scenario(
    name="storm",
    question="How busy is the page of 50 jobs in a browser at a thousand changes a second, all in view?",
    size_means="seconds",
    size=60,
    quick_size=3,
    contestants=(
        Contestant(
            "holdfast",
            "one Chromium, `holdfast web`, SQLite",
            "benchmarks.ours.storming:in_view",
            missing=browser.missing,
        ),
    ),
    metrics=(
        Metric("busy_percent", "main thread, % of a core", "less", 1),
        Metric("longest_ms", "longest task over 50 ms (0: none)", "less"),
        Metric("changes_per_s", "changes/s", "more"),
    ),
    goals=(
        Goal("busy_percent", "holdfast", must=15, aim=8),
        Goal("longest_ms", "holdfast", must=50, aim=0),
    ),
)
