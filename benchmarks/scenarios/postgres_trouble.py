"""PostgreSQL in trouble: a transaction that a client leaves open, and a worker that is killed."""

from __future__ import annotations

from benchmarks.scenario import Contestant, Goal, Metric, Scenario
from benchmarks.servers.postgres import POSTGRES

_OPEN = "a transaction open all the time"
_CLAIMS = "benchmarks.ours.horizon:claims"

HELD_OPEN = Scenario(
    name="postgres-held-open",
    question="How long does a claim take at 400 jobs/s while somebody's REPEATABLE READ transaction stays open?",
    size_means="seconds",
    size=120,
    quick_size=5,
    contestants=(
        Contestant(_OPEN, "no dead row can be removed", _CLAIMS, argument="open", server=POSTGRES),
        Contestant("none open", "the same load", _CLAIMS, argument="none", server=POSTGRES),
    ),
    metrics=(
        Metric("p50_ms", "claim p50 ms", "less", 2),
        Metric("p99_ms", "claim p99 ms", "less", 2),
        Metric("last_p99_ms", "p99 ms of the last quarter", "less", 2),
        Metric("max_ms", "max ms", "less", 1),
        Metric("jobs_per_s", "jobs/s", "more"),
    ),
    goals=(Goal("p99_ms", _OPEN, must=50, aim=20), Goal("last_p99_ms", _OPEN, must=50, aim=20)),
    seconds=3600,
    runs=1,
)

_DEFAULT = "host gone, default settings"
_FAST = "host gone, heartbeat 1 s, lease 3 s"
_OF_A_HOST = "benchmarks.ours.rescue:of_a_host"

RESCUE = Scenario(
    name="postgres-rescue",
    question="How long from kill -9 to the first line of the same job under another worker?",
    size_means="kills in each run, of which the slowest counts",
    size=1,
    quick_size=1,
    contestants=(
        Contestant(
            _FAST, "supervisor and worker process killed", _OF_A_HOST, argument="fast", server=POSTGRES
        ),
        Contestant(
            "worker process only",
            "its supervisor lives, default settings",
            "benchmarks.ours.rescue:of_a_worker_process",
            server=POSTGRES,
        ),
        Contestant(
            _DEFAULT, "supervisor and worker process killed", _OF_A_HOST, argument="default", server=POSTGRES
        ),
    ),
    metrics=(Metric("seconds", "seconds", "less", 2),),
    goals=(Goal("seconds", _DEFAULT, must=45, aim=45), Goal("seconds", _FAST, must=5, aim=5)),
)
