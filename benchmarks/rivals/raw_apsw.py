"""SQLite through apsw with no job queue around it: the limit that no engine on this store can pass.

The schema is small (one table, one partial index, no history), every commit is durable (WAL,
synchronous=FULL). What is left out is exactly what a queue is for: validation, history rows, running
anything, waking anybody.
"""
# The stubs of apsw name a type that Python 3.11 does not have.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import apsw

from benchmarks.child import Measurement, Setup

_BATCH = 100
_ARGUMENTS = '{"n":1}'

_SCHEMA = """
CREATE TABLE job (
    id INTEGER PRIMARY KEY, queue TEXT NOT NULL, state TEXT NOT NULL, token INTEGER NOT NULL DEFAULT 0,
    args TEXT NOT NULL, finished_at REAL
);
CREATE INDEX job_waiting ON job (queue, id) WHERE state = 'enqueued';
"""
_INSERT = "INSERT INTO job (queue, state, args) VALUES ('default', 'enqueued', ?)"
_CLAIM = """
UPDATE job SET state = 'processing', token = token + 1
WHERE id IN (SELECT id FROM job WHERE queue = 'default' AND state = 'enqueued' ORDER BY id LIMIT ?)
RETURNING id, token, args
"""
_COMPLETE = """
UPDATE job SET state = 'succeeded', finished_at = ?
WHERE id = ? AND token = ? AND state = 'processing'
"""


def claim_and_complete_by_one(setup: Setup) -> Measurement:
    """One process claims 100 and completes 100, each in its own transaction, until the backlog is empty."""
    return _claim_and_complete(setup, processes=1)


def claim_and_complete_by_two(setup: Setup) -> Measurement:
    """The same by two processes at once on one file."""
    return _claim_and_complete(setup, processes=2)


def insert_one_by_one(setup: Setup) -> Measurement:
    """One insert per transaction by one thread."""
    connection = _open(setup.directory / "raw.db")
    connection.execute(_SCHEMA)
    began = time.monotonic()
    for number in range(setup.size):
        connection.execute(_INSERT, (json.dumps({"n": number}),))
    return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def insert_many(setup: Setup) -> Measurement:
    """1,000 inserts per transaction by one thread."""
    connection = _open(setup.directory / "raw.db")
    connection.execute(_SCHEMA)
    began = time.monotonic()
    for start in range(0, setup.size, 1000):
        with connection:
            rows = [(json.dumps({"n": number}),) for number in range(start, min(start + 1000, setup.size))]
            connection.executemany(_INSERT, rows)
    return {"jobs_per_s": setup.size / (time.monotonic() - began)}


def _claim_and_complete(setup: Setup, *, processes: int) -> Measurement:
    path = setup.directory / "raw.db"
    connection = _open(path)
    connection.execute(_SCHEMA)
    with connection:
        connection.executemany(_INSERT, ((_ARGUMENTS,) for _ in range(setup.size)))
    connection.close()
    spawn = multiprocessing.get_context("spawn")
    started = spawn.Barrier(processes)
    with spawn.Pool(processes, _share, (started,)) as pool:
        times = pool.map(_drain, [path] * processes, chunksize=1)
    wall = max(end for _, end, _ in times) - min(begin for begin, _, _ in times)
    done = sum(count for _, _, count in times)
    if done != setup.size:
        raise AssertionError(f"{done} of {setup.size} jobs were completed")
    return {"jobs_per_s": setup.size / wall}


def _share(barrier: object) -> None:
    globals()["_barrier"] = barrier


def _drain(path: Path) -> tuple[float, float, int]:
    connection = _open(path)
    globals()["_barrier"].wait()
    began = time.monotonic()
    done = 0
    while True:
        connection.execute("BEGIN IMMEDIATE")
        claimed = list(connection.execute(_CLAIM, (_BATCH,)))
        connection.execute("COMMIT")
        if not claimed:
            return began, time.monotonic(), done
        now = time.time()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_COMPLETE, ((now, job, token) for job, token, _ in claimed))
        connection.execute("COMMIT")
        done += len(claimed)


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
