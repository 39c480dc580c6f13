"""PostgreSQL: the drain, the enqueue and the latency beside those who are on the same server."""

from __future__ import annotations

from benchmarks.rivals.contestants import oban, pgqueuer, procrastinate, raw_postgres
from benchmarks.scenario import Contestant, Goal, Metric, Scenario
from benchmarks.servers.postgres import POSTGRES

# What is wanted of these figures was written for a machine on which PgQueuer stored 2,623 jobs a second one by one and
# 56,800 in bulk, 16 connections stored 9,900 bare rows, and PgQueuer's job began after 2.2 ms (p50) and 3.6 (p99). Machines
# differ, so each figure is shown with its ratio to that yardstick, with what is wanted divided by the same.
_OURS = "holdfast"
_TWO = "holdfast, 2 processes"
_PGQUEUER = "pgqueuer, 2 processes"
_RAW = "raw claim 100 + complete 100, 2 processes"

DRAIN = Scenario(
    name="postgres-drain",
    question=(
        "How many no-op jobs per second from the first one's start to the last completion record, with PostgreSQL on the "
        "same cores?"
    ),
    size_means="jobs waiting",
    size=50_000,
    quick_size=2_000,
    contestants=(
        Contestant(
            _TWO,
            "durable commits, states and history written",
            "benchmarks.ours.drain:by_processes",
            argument="2",
            server=POSTGRES,
        ),
        pgqueuer(_PGQUEUER, "batches of 100, finished jobs deleted, one log row kept", "drain", "2"),
        raw_postgres(_RAW, "both in one statement, no history", "claim_and_complete", "2"),
        Contestant(
            "holdfast, 1 process",
            "the same with one worker process",
            "benchmarks.ours.drain:by_processes",
            argument="1",
            server=POSTGRES,
        ),
        pgqueuer("pgqueuer, 1 process", "the same with one worker process", "drain", "1"),
        Contestant(
            "holdfast, 2 processes, not analysed",
            "right after the fill",
            "benchmarks.ours.drain:as_filled",
            argument="2",
            server=POSTGRES,
        ),
        pgqueuer("pgqueuer, 2 processes, not analysed", "right after the fill", "drain_as_filled", "2"),
        oban("oban, 2 processes", "200 at once each, finished jobs kept, no history", "drain"),
        procrastinate(
            "procrastinate, 2 processes",
            "100 at once each, jobs and events kept, a fifth of the jobs",
            "drain",
        ),
        raw_postgres("raw claim 100 + complete 100", "one process", "claim_and_complete", "1"),
    ),
    metrics=(
        Metric("jobs_per_s", "jobs/s", "more"),
        Metric("cpu_us_per_job", "CPU µs per job", "less", 1),
        Metric("server_cpu_us_per_job", "CPU µs per job, server", "less", 1),
        Metric("peak_rss_mb", "peak RSS, MB", "less"),
        Metric("bytes_per_job", "bytes per job", "less"),
    ),
    goals=(
        Goal("jobs_per_s", _TWO, against=_PGQUEUER, must=0.6, aim=1.2),
        Goal("jobs_per_s", _TWO, against=_RAW),
        Goal("jobs_per_s", _TWO, against="oban, 2 processes"),
        Goal("jobs_per_s", _TWO, against="procrastinate, 2 processes"),
        Goal("jobs_per_s", _TWO, against="holdfast, 1 process"),
    ),
)

_ONE = "holdfast, 1 thread"
_SIXTEEN = "holdfast, 16 threads"
ENQUEUE = Scenario(
    name="postgres-enqueue",
    question="How many jobs per second are stored durably on PostgreSQL by one program, arguments validated?",
    size_means="jobs stored",
    size=8_000,
    quick_size=1_600,
    contestants=(
        Contestant(_ONE, "one transaction per call", "benchmarks.ours.enqueue:one_thread", server=POSTGRES),
        pgqueuer("pgqueuer, one by one", "one transaction per call", "enqueue"),
        oban("oban, one by one", "one transaction per call", "enqueue"),
        procrastinate("procrastinate, one by one", "one transaction per call", "enqueue"),
        raw_postgres("raw insert", "one per transaction", "insert_one_by_one"),
        Contestant(
            _SIXTEEN, "calls share commits", "benchmarks.ours.enqueue:sixteen_threads", server=POSTGRES
        ),
        raw_postgres("raw insert, 16 threads", "one per transaction, 16 connections", "insert_by_threads"),
    ),
    metrics=(Metric("jobs_per_s", "jobs/s", "more"),),
    goals=(
        Goal("jobs_per_s", _ONE, must=2_000, aim=3_200),
        Goal("jobs_per_s", _SIXTEEN, must=7_000, aim=12_000),
        Goal("jobs_per_s", _ONE, against="pgqueuer, one by one", must=0.76, aim=1.22),
        Goal("jobs_per_s", _ONE, against="raw insert"),
        Goal("jobs_per_s", _SIXTEEN, against="raw insert, 16 threads", must=0.71, aim=1.21),
    ),
)

_MANY = "holdfast, enqueue_many"

ENQUEUE_MANY = Scenario(
    name="postgres-enqueue-many",
    question="How many jobs per second are stored durably on PostgreSQL, 1,000 at a time, arguments validated?",
    size_means="jobs stored",
    size=100_000,
    quick_size=5_000,
    contestants=(
        Contestant(_MANY, "1,000 per transaction", "benchmarks.ours.enqueue:many", server=POSTGRES),
        pgqueuer("pgqueuer", "1,000 per transaction", "enqueue_many"),
        oban("oban", "1,000 per transaction", "enqueue_many"),
        procrastinate("procrastinate", "1,000 per transaction", "enqueue_many"),
        raw_postgres("raw insert", "1,000 per transaction", "insert_many"),
    ),
    metrics=(Metric("jobs_per_s", "jobs/s", "more"),),
    goals=(
        Goal("jobs_per_s", _MANY, must=60_000, aim=120_000),
        Goal("jobs_per_s", _MANY, against="pgqueuer", must=1.06, aim=2.11),
        Goal("jobs_per_s", _MANY, against="raw insert"),
    ),
)

LATENCY = Scenario(
    name="postgres-latency",
    question="How long from the enqueue call in one process to the first line of the job in an idle worker, on PostgreSQL?",
    size_means="jobs, one each 20 ms",
    size=300,
    quick_size=50,
    contestants=(
        Contestant(_OURS, "1 worker process", "benchmarks.ours.waiting:start_latency", server=POSTGRES),
        pgqueuer("pgqueuer", "1 process, woken by NOTIFY", "start_latency"),
        oban("oban", "1 process, woken by NOTIFY", "start_latency"),
        procrastinate("procrastinate", "1 process, woken by NOTIFY", "start_latency"),
    ),
    metrics=(
        Metric("p50_ms", "p50 ms", "less", 2),
        Metric("p95_ms", "p95 ms", "less", 2),
        Metric("p99_ms", "p99 ms", "less", 2),
        Metric("max_ms", "max ms", "less", 2),
    ),
    goals=(
        Goal("p50_ms", _OURS, must=3, aim=1.5),
        Goal("p99_ms", _OURS, must=10, aim=4),
        Goal("p50_ms", _OURS, against="pgqueuer", must=1.36, aim=0.68),
        Goal("p99_ms", _OURS, against="pgqueuer", must=2.78, aim=1.11),
        Goal("p50_ms", _OURS, against="oban"),
    ),
)
