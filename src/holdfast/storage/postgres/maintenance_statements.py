"""The SQL of maintenance."""

from __future__ import annotations

from typing import Final, LiteralString

from holdfast.core.states import Verb
from holdfast.storage.postgres.statements import (
    CHANGED,
    LATER,
    arrays,
    constant,
    ended,
    sources,
    told,
)

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
COUNT_OUTCOMES: Final = constant("""
INSERT INTO outcomes (at, type, succeeded, failed)
SELECT events.at / 60000000 * 60, specs.type, count(*) FILTER (WHERE events.state = 'succeeded'),
       count(*) FILTER (WHERE events.state <> 'succeeded')
FROM events JOIN specs ON specs.seq = events.job
WHERE events.seq > %(since)s AND events.seq <= %(until)s AND events.kind = 0 AND events.previous = 'processing'
  AND (events.state IN ('succeeded', 'failed') OR events.state = 'scheduled' AND events.reason = 'retry')
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (at, type) DO UPDATE SET succeeded = outcomes.succeeded + excluded.succeeded,
    failed = outcomes.failed + excluded.failed
""")
EXPIRE_OUTCOMES: Final = constant("DELETE FROM outcomes WHERE at < %s")
