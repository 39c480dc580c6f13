"""MariaDB: the drain."""

from __future__ import annotations

from benchmarks.scenario import Contestant, Goal, Metric, Scenario
from benchmarks.servers.mariadb import MARIADB

_OURS = "holdfast, 2 processes"
_DRAIN = "benchmarks.ours.drain:by_processes"

DRAIN = Scenario(
    name="mariadb-drain",
    question="How many no-op jobs per second from the first one's start to the last completion record, on MariaDB?",
    size_means="jobs waiting",
    size=20_000,
    quick_size=2_000,
    contestants=(
        Contestant(_OURS, "states and history written", _DRAIN, argument="2", server=MARIADB),
        Contestant("holdfast, 1 process", "the same with one", _DRAIN, argument="1", server=MARIADB),
    ),
    metrics=(
        Metric("jobs_per_s", "jobs/s", "more"),
        Metric("cpu_us_per_job", "CPU µs per job", "less", 1),
        Metric("peak_rss_mb", "peak RSS, MB", "less"),
    ),
    goals=(Goal("jobs_per_s", _OURS, must=3_000, aim=8_000),),
)
