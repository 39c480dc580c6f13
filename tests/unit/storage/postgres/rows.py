"""Rows for the tests of searches, put into a PostgreSQL schema as they are."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.storage.postgres.connection import Connection
from tests.unit.storage.search_rows import Job, texts

LANE = """
WITH known AS (SELECT id FROM lanes WHERE queue = %(queue)s AND type = %(type)s AND priority = %(priority)s), made AS (
    INSERT INTO lanes (queue, type, priority) SELECT %(queue)s, %(type)s, %(priority)s WHERE NOT EXISTS (SELECT FROM known)
    RETURNING id
) SELECT id FROM known UNION ALL SELECT id FROM made
"""
SPEC = """
INSERT INTO specs (id, type, queue, priority, args, owner, tags, unique_key, created_at)
VALUES (%(id)s, %(type)s, %(queue)s, %(priority)s, %(args)s, %(owner)s, %(tags)s, %(unique_key)s, %(created_at)s)
RETURNING seq
"""
RUN = """
INSERT INTO runs (seq, lane, state, reason, actor, requested, requested_by, attempt, max_attempts, worker, changed_at,
                  run_at, started_at, finished_at, progress, error_type, error_message)
VALUES (%(seq)s, %(lane)s, %(state)s, %(reason)s, %(actor)s, %(requested)s, %(requested_by)s, %(attempt)s, 11, %(worker)s, 0,
        %(run_at)s, %(started_at)s, %(finished_at)s, %(progress)s, %(error_type)s, %(error_message)s)
"""


def put(db: Connection, jobs: Iterable[Job]) -> list[int]:
    """Store the jobs as they are; returns their seqs."""
    seqs: list[int] = []
    for job in jobs:
        fields = vars(job) | texts(job)
        fields["lane"] = db.execute(LANE, fields).fetchall()[0][0]
        fields["seq"] = seq = db.execute(SPEC, fields).fetchall()[0][0]
        db.execute(RUN, fields)
        db.execute("INSERT INTO counts (lane, state, n) VALUES (%(lane)s, %(state)s, 1)", fields)
        history = [(job.created_at, job.state), *((at, "enqueued") for at in job.enqueued_again)]
        with db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO job_tags (tag, job) VALUES (%s, %s)", [(tag, seq) for tag in job.tags]
            )
            cursor.executemany(
                "INSERT INTO events (at, kind, job, state) VALUES (%s, 0, %s, %s)",
                [(at, seq, state) for at, state in history],
            )
        seqs.append(seq)
    return seqs
