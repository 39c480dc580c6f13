"""This exists so that the SQL of what people ask, of the clock and of the fleet is found by name, as that of jobs is."""

from __future__ import annotations

from typing import Final, LiteralString

from holdfast.core.limits import HISTORY_CLAIMS, MAX_HISTORY
from holdfast.core.states import FINAL, TRANSITIONS, Verb
from holdfast.storage.postgres.statements import (
    CHANGED,
    JOB_COLUMNS,
    LATER,
    TYPE_COLUMNS,
    arrays,
    constant,
    ended,
    sources,
    told,
    within,
)

# -- what people ask --------------------------------------------------------------------------------------------------------

FACTS = constant(f"""
SELECT seq, state, requested, run_at, retention, lane,
       EXISTS (SELECT FROM events WHERE job = specs.seq AND kind < 2 OFFSET {MAX_HISTORY + HISTORY_CLAIMS})
FROM specs JOIN runs USING (seq) WHERE id = %s FOR UPDATE OF runs
""")
JOB = constant(f"SELECT {JOB_COLUMNS} FROM jobs WHERE seq = %s")


def move(verb: Verb) -> LiteralString:
    """A person's change of a job that nobody is processing."""
    way = TRANSITIONS[verb]
    # a job that was paused between two attempts waits for the next one again, and says so
    reason = (
        "CASE WHEN error_type IS NOT NULL THEN 'retry' ELSE %(reason)s END"
        if verb is Verb.RESUME_LATER
        else "%(reason)s"
    )
    again = verb is Verb.RETRY
    forgiven = (
        ", max_attempts = greatest(max_attempts, attempt + 1), crashes = 0, run_at = NULL" if again else ""
    )
    return constant(f"""
WITH moved AS (
    UPDATE runs SET state = '{way.target}', reason = {reason}, actor = %(actor)s, changed_at = {LATER},
                    finished_at = {ended("%(finished_at)s::bigint")}, expires_at = %(expires_at)s{forgiven}
    WHERE seq = %(seq)s AND {within(way.sources)}
    {CHANGED}
), {told("%(previous)s")}
SELECT seq FROM moved
""")


ASK = constant(f"""
WITH asked AS (
    UPDATE runs SET requested = %(request)s, requested_at = {LATER}, requested_by = %(actor)s, requested_reason = %(reason)s
    WHERE seq = %(seq)s AND (state = 'processing') IS TRUE AND requested IS NOT DISTINCT FROM %(before)s
    RETURNING requested_at, 1, seq, requested, requested_reason, requested_by, attempt, worker, state
)
INSERT INTO events (at, kind, job, state, reason, actor, attempt, worker, previous) SELECT * FROM asked
""")
REMOVE = constant(f"""
WITH gone AS (
    DELETE FROM runs WHERE seq = ANY(%(seqs)s) AND {within(FINAL)} RETURNING seq, lane, state
), spec AS (
    DELETE FROM specs USING gone WHERE specs.seq = gone.seq RETURNING specs.seq, specs.id
), past AS (
    DELETE FROM events USING gone WHERE events.job = gone.seq AND events.kind < 2
), state AS (
    DELETE FROM saved USING gone WHERE saved.job = gone.seq
), lines AS (
    DELETE FROM logs USING gone WHERE logs.job = gone.seq
), tags AS (
    DELETE FROM job_tags USING gone WHERE job_tags.job = gone.seq
), told AS (
    INSERT INTO events (at, kind, job, previous, reason)
    SELECT %(now)s, 4, seq, gone.state, spec.id FROM gone JOIN spec USING (seq) ORDER BY seq
)
SELECT lane, state FROM gone
""")

# -- what happens by the clock ----------------------------------------------------------------------------------------------

PROMOTE = constant(f"""
WITH due AS MATERIALIZED (
    SELECT seq FROM runs WHERE state = 'scheduled' AND run_at <= %(now)s ORDER BY run_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE runs SET state = 'enqueued', actor = NULL, changed_at = {LATER}
    FROM due WHERE runs.seq = due.seq AND {sources(Verb.PROMOTE)}
    {CHANGED}
), {told("'scheduled'")}
SELECT lane FROM moved
""")
NEXT_DUE = constant("SELECT min(run_at) FROM runs WHERE state = 'scheduled'")

ORPHANS = constant("""
SELECT seq, id, type, worker, token, requested, requested_reason, requested_by, crashes, retention, lane
FROM runs JOIN specs USING (seq)
WHERE state = 'processing' AND (worker = ANY(%(dead)s::text[]) OR NOT EXISTS (
    SELECT FROM workers WHERE workers.id = runs.worker AND workers.state <> 'lost' AND workers.deadline >= %(now)s))
ORDER BY seq FOR UPDATE OF runs SKIP LOCKED
""")
"""Looked for from the jobs' side, so that a worker row that is gone hides nobody."""
RECOVERY: Final = {
    "seq": "bigint",
    "token": "integer",
    "state": "text",
    "reason": "text",
    "actor": "text",
    "finished_at": "bigint",
    "expires_at": "bigint",
    "crashes": "integer",
}
RECOVER = constant(f"""
WITH moved AS (
    UPDATE runs SET state = given.state, reason = given.reason, actor = given.actor, changed_at = {LATER},
                    finished_at = {ended("given.finished_at")}, expires_at = given.expires_at, crashes = given.crashes,
                    continues = true, requested = NULL, requested_at = NULL, requested_by = NULL, requested_reason = NULL
    FROM {arrays(**RECOVERY)}
    WHERE runs.seq = given.seq AND runs.token = given.token AND {sources(Verb.RESCUE)}
    {CHANGED}
), {told("'processing'")}
SELECT seq FROM moved
""")
LOSE_WORKERS = constant("""
WITH lost AS (
    UPDATE workers SET state = 'lost', lost_at = %(now)s
    WHERE state <> 'lost' AND (id = ANY(%(dead)s::text[]) OR deadline < %(now)s) RETURNING id
)
INSERT INTO events (at, kind, worker, reason) SELECT %(now)s, 6, id, 'lost' FROM lost ORDER BY id
""")
FORGET_WORKERS = constant("DELETE FROM workers WHERE state = 'lost' AND lost_at < %s")

EXPIRED = constant("""
SELECT seq FROM runs JOIN specs USING (seq) WHERE expires_at <= %s ORDER BY expires_at LIMIT %s
FOR UPDATE SKIP LOCKED
""")
EXPIRE_EVENTS = constant("""
DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE kind >= 2 AND at < %s ORDER BY at LIMIT %s)
  AND seq < (SELECT max(seq) FROM events)
  AND seq <> (SELECT seq FROM events WHERE kind >= 2 ORDER BY at DESC, seq DESC LIMIT 1)
""")
"""The newest of all stays, so that `last_event` never goes back; the newest passing one stays, so that `oldest_event` can
tell that others have been removed."""
EXPIRE_BUCKETS = constant("DELETE FROM buckets WHERE at < %s")

ROLLED_UP = constant("SELECT value::bigint, horizon() FROM meta WHERE name = 'rolled_up' FOR UPDATE")
"""The row is locked until the commit: of two that roll up at once, the second finds the work done."""
ROLL_UP = constant("""
WITH summed AS (
    INSERT INTO buckets (at, started, succeeded, failed, cancelled)
    SELECT at / 10000000 * 10, count(*) FILTER (WHERE state = 'processing'), count(*) FILTER (WHERE state = 'succeeded'),
           count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'cancelled')
    FROM events WHERE seq > %(since)s AND seq <= %(until)s AND kind = 0
          AND state IN ('processing', 'succeeded', 'failed', 'cancelled') GROUP BY 1 ORDER BY 1
    ON CONFLICT (at) DO UPDATE SET started = buckets.started + excluded.started,
        succeeded = buckets.succeeded + excluded.succeeded, failed = buckets.failed + excluded.failed,
        cancelled = buckets.cancelled + excluded.cancelled
)
UPDATE meta SET value = %(until)s::text WHERE name = 'rolled_up'
""")
FOLD_COUNTS = constant("""
WITH gone AS (DELETE FROM counts RETURNING lane, state, n)
INSERT INTO counts (lane, state, n) SELECT lane, state, sum(n) FROM gone GROUP BY lane, state HAVING sum(n) <> 0
""")

# -- workers, queues, types -------------------------------------------------------------------------------------------------

REGISTER = constant("""
INSERT INTO workers (id, name, host, pid, version, state, queues, types, slots, started_at, heartbeat_at, deadline)
VALUES (%s, %s, %s, %s, %s, 'live', %s, %s, %s, %s, %s, %s)
ON CONFLICT (id) DO NOTHING
""")
BEAT = constant("""
UPDATE workers SET heartbeat_at = %s, deadline = %s
WHERE id IN (SELECT id FROM workers WHERE id = ANY(%s) AND state <> 'lost' ORDER BY id FOR UPDATE) RETURNING id
""")
DRAIN = constant("UPDATE workers SET state = 'draining' WHERE id = %s AND state = 'live' RETURNING id")
RETIRE = constant("DELETE FROM workers WHERE id = %s")
WORKER_EVENT = constant("INSERT INTO events (at, kind, worker, reason) VALUES (%s, 6, %s, %s)")

PUBLISH = constant(f"""
INSERT INTO types ({TYPE_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET queue = excluded.queue, schema = excluded.schema, doc = excluded.doc,
    signature = excluded.signature, executor = excluded.executor, max_attempts = excluded.max_attempts,
    timeout = excluded.timeout, priority = excluded.priority, tags = excluded.tags, retention = excluded.retention,
    updated_at = excluded.updated_at
""")
PAUSE_QUEUE = constant("""
INSERT INTO queues (name, paused_at, paused_by, paused_reason) VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(queues.paused_at, excluded.paused_at),
    paused_by = excluded.paused_by, paused_reason = excluded.paused_reason
""")
RESUME_QUEUE = constant(
    "UPDATE queues SET paused_at = NULL, paused_by = NULL, paused_reason = NULL WHERE name = %s"
)
QUEUE_EVENT = constant("INSERT INTO events (at, kind, state, actor, reason) VALUES (%s, 5, %s, %s, %s)")
