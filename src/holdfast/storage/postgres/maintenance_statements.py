"""The SQL of queues, of maintenance and of the fleet."""

from __future__ import annotations

from typing import Final, LiteralString

from holdfast.core.states import Verb
from holdfast.storage.postgres.statements import (
    CHANGED,
    LATER,
    TYPE_COLUMNS,
    arrays,
    constant,
    ended,
    sources,
    told,
)

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


def lose_workers(waiting: LiteralString) -> LiteralString:
    """Take workers for lost: those named, which waits for a claim that is under way, and those whose lease has ended."""
    return constant(f"""
WITH dying AS (
    SELECT id FROM workers WHERE state <> 'lost' AND (id = ANY(%(dead)s::text[]) OR deadline < %(now)s) ORDER BY id
    FOR UPDATE {waiting}
), lost AS (
    UPDATE workers SET state = 'lost', lost_at = %(now)s FROM dying WHERE workers.id = dying.id RETURNING workers.id
)
INSERT INTO events (at, kind, worker, reason) SELECT %(now)s, 6, id, 'lost' FROM lost ORDER BY id
""")


LOSE_NAMED = lose_workers("")
LOSE_EXPIRED = lose_workers("SKIP LOCKED")
"""One that somebody has locked is left to the next sweep."""
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
