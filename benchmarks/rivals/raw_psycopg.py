"""PostgreSQL through psycopg with no job queue around it: the limit that no engine on this server can pass.

The schema is small (one table, one partial index, no history), every commit is durable. What is left out is exactly what
a queue is for: validation, history rows, running anything, waking anybody.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time

import psycopg

from benchmarks.child import DATABASE_URL, Measurement, Setup
from benchmarks.draining import TIDY
from benchmarks.threads import THREADS, by_threads

_BATCH = 100
_CHUNK = 1000

_SCHEMA = """
CREATE TABLE job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, queue text NOT NULL, state text NOT NULL,
    token integer NOT NULL DEFAULT 0, args text NOT NULL, finished_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX job_waiting ON job (queue, id) WHERE state = 'enqueued';
"""
_INSERT = "INSERT INTO job (queue, state, args) VALUES ('default', 'enqueued', %s)"
_INSERT_MANY = "INSERT INTO job (queue, state, args) SELECT 'default', 'enqueued', unnest(%s::text[])"
_EXCHANGE = """
WITH completed AS (
    UPDATE job SET state = 'succeeded', finished_at = now()
    FROM unnest(%s::bigint[], %s::integer[]) AS done(id, token)
    WHERE job.id = done.id AND job.token = done.token AND job.state = 'processing'
), waiting AS (
    SELECT id FROM job WHERE queue = 'default' AND state = 'enqueued' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE job SET state = 'processing', token = token + 1 FROM waiting WHERE job.id = waiting.id
RETURNING job.id, job.token, job.args
"""
"""Completes one batch and claims the next, in one statement, one commit and one round trip."""


def claim_and_complete(setup: Setup) -> Measurement:
    """`argument` processes claim 100 and complete the 100 before them in one statement, until the backlog is empty."""
    processes = int(setup.argument)
    with _open() as connection:
        connection.execute(_SCHEMA, prepare=False)
        connection.execute(_INSERT_MANY, ([f'{{"n":{number}}}' for number in range(setup.size)],))
        for statement in TIDY:
            connection.execute(statement, prepare=False)
    spawn = multiprocessing.get_context("spawn")
    started = spawn.Barrier(processes)
    with spawn.Pool(processes, _share, (started,)) as pool:
        times = pool.map(_drain, range(processes), chunksize=1)
    wall = max(end for _, end, _ in times) - min(begin for begin, _, _ in times)
    with _open() as connection:
        row = connection.execute("SELECT count(*) FROM job WHERE state = 'succeeded'").fetchone()
    if row != (setup.size,):
        raise AssertionError(f"{row} of {setup.size} jobs were completed")
    return {"jobs_per_s": setup.size / wall}


def insert_one_by_one(setup: Setup) -> Measurement:
    """One insert per commit by one connection."""
    with _open() as connection:
        connection.execute(_SCHEMA, prepare=False)
        began = time.monotonic()
        for number in range(setup.size):
            connection.execute(_INSERT, (json.dumps({"n": number}),))
        return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def insert_by_threads(setup: Setup) -> Measurement:
    """One insert per commit by 16 threads, each with its connection."""
    with _open() as connection:
        connection.execute(_SCHEMA, prepare=False)
    connections = [_open() for _ in range(THREADS)]
    share = setup.size // THREADS

    def insert(number: int) -> None:
        connections[number // share].execute(_INSERT, (json.dumps({"n": number}),))

    try:
        return {"jobs_per_s": by_threads(setup.size, insert)}
    finally:
        for connection in connections:
            connection.close()


def insert_many(setup: Setup) -> Measurement:
    """1,000 inserts per commit by one connection."""
    with _open() as connection:
        connection.execute(_SCHEMA, prepare=False)
        began = time.monotonic()
        for start in range(0, setup.size, _CHUNK):
            rows = [json.dumps({"n": number}) for number in range(start, min(start + _CHUNK, setup.size))]
            connection.execute(_INSERT_MANY, (rows,))
        return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def _share(barrier: object) -> None:
    globals()["_barrier"] = barrier


def _drain(number: int) -> tuple[float, float, int]:
    with _open() as connection:
        globals()["_barrier"].wait()
        began = time.monotonic()
        done = 0
        claimed: list[tuple[int, int, str]] = []
        while True:
            jobs, tokens = [row[0] for row in claimed], [row[1] for row in claimed]
            done += len(claimed)
            claimed = connection.execute(_EXCHANGE, (jobs, tokens, _BATCH)).fetchall()
            if not claimed:
                return began, time.monotonic(), done


def _open() -> psycopg.Connection[tuple[int, int, str]]:
    return psycopg.connect(os.environ[DATABASE_URL], autocommit=True, prepare_threshold=0)
