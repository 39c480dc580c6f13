"""The SQL of what people ask of jobs."""

from __future__ import annotations

from functools import cache
from typing import Final, LiteralString

from holdfast.core.sizes import HISTORY_CLAIMS, MAX_HISTORY
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Verb
from holdfast.storage.postgres.statements import (
    CHANGED,
    JOB_COLUMNS,
    LATER,
    arrays,
    constant,
    ended,
    told,
    within,
)

FACTS = constant(f"""
SELECT runs.seq, id, state, requested, run_at, retention, lane, lock_key IS NOT NULL,
       EXISTS (SELECT FROM events WHERE job = specs.seq AND kind < 2 OFFSET {MAX_HISTORY + HISTORY_CLAIMS})
FROM specs JOIN runs USING (seq) WHERE id = ANY(%s::text[]) ORDER BY runs.seq FOR UPDATE OF runs
""")
JOB = constant(f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = %s")

MOVING: Final = {"seq": "bigint", "previous": "text", "expires_at": "bigint"}


@cache
def move(verb: Verb) -> LiteralString:
    """A person's change of jobs that nobody is processing."""
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
                    finished_at = {ended("%(finished_at)s::bigint")}, expires_at = given.expires_at{forgiven}
    FROM {arrays(**MOVING)}
    WHERE runs.seq = given.seq AND {within(way.sources)}
    {CHANGED}, given.previous
), {told("moved.previous")}
SELECT seq FROM moved
""")


ASKING: Final = {"seq": "bigint", "before": "text"}
ASK = constant(f"""
WITH asked AS (
    UPDATE runs SET requested = %(request)s, requested_at = {LATER}, requested_by = %(actor)s, requested_reason = %(reason)s
    FROM {arrays(**ASKING)}
    WHERE runs.seq = given.seq AND (runs.state = 'processing') IS TRUE AND requested IS NOT DISTINCT FROM given.before
    RETURNING requested_at, 1, runs.seq, requested, requested_reason, requested_by, attempt, worker, state
)
INSERT INTO events (at, kind, job, state, reason, actor, attempt, worker, previous) SELECT * FROM asked ORDER BY seq
""")
REMOVE = constant(f"""
WITH gone AS (
    DELETE FROM runs WHERE seq = ANY(%(seqs)s) AND {within(FINAL_STATES)} RETURNING seq, lane, state
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
