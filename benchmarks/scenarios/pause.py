"""Pause: how soon a pause that one person presses is seen by another."""

from __future__ import annotations

from benchmarks import browser
from benchmarks.scenario import Contestant, Goal, Metric, Scenario

SCENARIO = Scenario(
    name="pause",
    question="How long from the press of “Pause job” in one browser to *paused* on the screen of another?",
    size_means="tries",
    size=30,
    quick_size=3,
    contestants=(
        Contestant(
            "holdfast",
            "two Chromium processes, `holdfast up`",
            "benchmarks.ours.pausing:press_to_shown",
            missing=browser.missing,
        ),
    ),
    metrics=(
        Metric("p50_ms", "p50 ms", "less"),
        Metric("p95_ms", "p95 ms", "less"),
        Metric("max_ms", "max ms", "less"),
    ),
    goals=(Goal("p95_ms", "holdfast", must=500, aim=150),),
)
