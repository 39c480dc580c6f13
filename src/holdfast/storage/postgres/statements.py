"""The SQL of a job's own verbs, by name; sets of states come from the transition table.

Whatever concerns several jobs is one statement over arrays. Each locks rows of `runs` and nothing before them, and writes
the history of what it has moved by the same statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, LiteralString, cast

from holdfast.core.records import TypeRecord
from holdfast.core.sizes import MAX_HISTORY
from holdfast.core.states import ACTIVE_STATES, TRANSITIONS, State, Verb


def set_of(states: Iterable[State]) -> str:
    """States as SQL writes a set."""
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


def within(states: Iterable[State]) -> str:
    """Whether a row of `runs` that is found by its seq is in one of the states. Written so that no index serves it: else the
    server might walk through all rows of a state to find the one."""
    return f"(runs.state IN {set_of(states)}) IS TRUE"


def sources(verb: Verb) -> str:
    """The same of the states that a verb leaves."""
    return within(TRANSITIONS[verb].sources)


def constant(text: str) -> LiteralString:
    """SQL made of constants of ours only, states among them."""
    return cast(LiteralString, text)


def arrays(**columns: str) -> str:
    """`unnest` of one array parameter for each column."""
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in columns.items())
    return f"unnest({arrays}) AS given ({', '.join(columns)})"


JOB_COLUMNS: Final = (
    "seq, id, type, queue, state, reason, actor, requested, requested_at, requested_by, requested_reason, priority, args, "
    "owner, tags, progress, result, error_type, error_message, error_traceback, attempt, max_attempts, crashes, token, "
    "worker, timeout, unique_key, origin, created_at, changed_at, run_at, started_at, finished_at, expires_at, saved_at"
)
"""The columns of JobRecord in its order, of the view `jobs`."""

TYPE_COLUMNS: Final = constant(", ".join(TypeRecord._fields))

LATER = "greatest(%(now)s, runs.changed_at, runs.requested_at)"
"""The time of a change, which is never before what the job's history tells already: a clock may be set back."""


def ended(finished_at: str) -> str:
    """The time of a change that ends a job, for which `finished_at` is not NULL."""
    return f"CASE WHEN {finished_at} IS NOT NULL THEN {LATER} END"


CHANGED = (
    "RETURNING runs.changed_at, runs.seq, runs.lane, runs.token, runs.state, runs.reason, runs.actor, runs.attempt, "
    "runs.worker"
)
"""What history and counts need to know of a row that has been moved."""
_MOVED = "moved.seq, moved.state, moved.reason, moved.actor, moved.attempt, moved.worker"


def counted(before: str, after: str) -> str:
    """The rows in `moved`, counted out of one state and into the other."""
    return f"""counted AS (
        INSERT INTO counts (lane, state, n)
        SELECT lane, state, CASE state WHEN '{after}' THEN many ELSE -many END
        FROM (SELECT lane, count(*) AS many FROM moved GROUP BY lane) AS lanes,
             (VALUES ('{before}'), ('{after}')) AS of (state)
    )"""


def told(previous: str) -> str:
    """The history of the rows in `moved`, which came from the state `previous`."""
    return f"""told AS (
        INSERT INTO events (at, kind, job, state, reason, actor, attempt, worker, previous)
        SELECT changed_at, 0, {_MOVED}, {previous} FROM moved ORDER BY moved.seq
    )"""


OPEN: Final = constant("""
SELECT refuse_sealed(), pg_advisory_xact_lock_shared(%s::integer, (last_value & 2147483647)::integer) FROM event_seq
""")
"""With this a transaction that writes begins: see `Transactions`, which also asks for the time, and for the seal's words."""

UNLOCKED = constant("SELECT seq FROM runs WHERE seq = ANY(%s::bigint[]) FOR UPDATE SKIP LOCKED")

# -- jobs that come ---------------------------------------------------------------------------------------------------------

SPEC: Final = {
    "id": "text",
    "type": "text",
    "queue": "text",
    "priority": "integer",
    "args": "text",
    "owner": "text",
    "tags": "text",
    "timeout": "double precision",
    "unique_key": "text",
    "idempotency_key": "text",
    "retention": "text",
    "origin": "text",
}
RUN: Final = {
    "seq": "bigint",
    "lane": "integer",
    "state": "text",
    "actor": "text",
    "max_attempts": "integer",
    "run_at": "bigint",
    "lock_key": "text",
}
INSERT_SPECS = constant(f"""
INSERT INTO specs ({", ".join(SPEC)}, created_at) SELECT given.*, %(now)s::bigint FROM {arrays(**SPEC)}
ON CONFLICT DO NOTHING RETURNING id, seq
""")
INSERT_RUNS = constant(f"""
WITH placed AS (
    INSERT INTO runs ({", ".join(RUN)}, changed_at) SELECT given.*, %(now)s::bigint FROM {arrays(**RUN)}
    RETURNING seq, state, actor, changed_at
)
INSERT INTO events (at, kind, job, state, actor, attempt) SELECT changed_at, 0, seq, state, actor, 0 FROM placed
""")
STORE: Final = {
    "type": "text",
    "queue": "text",
    "priority": "integer",
    "owner": "text",
    "tags": "text",
    "timeout": "double precision",
    "retention": "text",
    "origin": "text",
    "actor": "text",
    "max_attempts": "integer",
    "run_at": "bigint",
    "delay": "double precision",
    "lane": "integer",
    "told": "bigint",
    "channels": "text[]",
}
"""What jobs that are stored directly have in common: the parameters of `store` behind ids and arguments."""
STORE_DIRECTLY = constant(
    "SELECT store(%(ids)s::text[], %(arguments)s::text[], "
    + ", ".join(f"%({name})s::{kind}" for name, kind in STORE.items())
    + ")"
)
TAG = constant("""
INSERT INTO job_tags (tag, job)
SELECT DISTINCT tag, seq FROM specs, json_array_elements_text(tags::json) AS tag
WHERE id = ANY(%s::text[]) AND tags IS NOT NULL
""")
FIND_SAME = constant(f"""
SELECT id FROM specs WHERE id = %(id)s
UNION ALL SELECT id FROM specs WHERE idempotency_key = %(idempotency_key)s
UNION ALL SELECT id FROM runs JOIN specs USING (seq) WHERE lock_key = %(lock_key)s AND state IN {set_of(ACTIVE_STATES)}
LIMIT 1
""")
ADD_LANES = constant(f"""
INSERT INTO lanes (queue, type, priority)
SELECT DISTINCT queue, type, priority FROM {arrays(queue="text", type="text", priority="integer")} ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
""")
LANES = constant(f"""
SELECT queue, type, priority, id FROM {arrays(queue="text", type="text", priority="integer")}
JOIN lanes USING (queue, type, priority)
""")

# -- jobs that run ----------------------------------------------------------------------------------------------------------

CLAIM = constant(f"""
WITH heads AS MATERIALIZED (
    SELECT lanes.priority, head.seq
    FROM lanes LEFT JOIN unnest(%(floor_lanes)s::integer[], %(floors)s::bigint[]) AS floors (id, seq) USING (id)
    CROSS JOIN LATERAL (
        SELECT runs.seq FROM runs WHERE state = 'enqueued' AND lane = lanes.id AND runs.seq >= coalesce(floors.seq, 0)
        ORDER BY runs.seq LIMIT %(most)s
    ) AS head
    WHERE lanes.type = ANY(%(types)s::text[]) AND (%(queues)s::text[] = '{{}}' OR lanes.queue = ANY(%(queues)s::text[]))
      AND lanes.queue NOT IN (SELECT name FROM queues WHERE paused_at IS NOT NULL)
      AND EXISTS (SELECT FROM workers WHERE id = %(worker)s AND state = 'live' AND deadline >= %(now)s)
    ORDER BY lanes.priority DESC, head.seq LIMIT %(most)s
), taken AS MATERIALIZED (
    SELECT runs.seq FROM heads JOIN runs USING (seq) WHERE {sources(Verb.CLAIM)}
    ORDER BY heads.priority DESC, heads.seq LIMIT %(limit)s FOR UPDATE OF runs SKIP LOCKED
), moved AS (
    UPDATE runs SET state = 'processing', reason = NULL, actor = NULL, token = token + 1,
                    attempt = attempt + CASE WHEN continues THEN 0 ELSE 1 END, continues = false, worker = %(worker)s,
                    started_at = {LATER}, changed_at = {LATER}, run_at = NULL, finished_at = NULL
    FROM taken WHERE runs.seq = taken.seq AND {sources(Verb.CLAIM)}
    {CHANGED}, max_attempts, crashes, saved_at
), {told("'enqueued'")}, {counted(State.ENQUEUED, State.PROCESSING)}
SELECT seen.heads, moved.lane, moved.seq, id, type, queue, priority, token, attempt, max_attempts, args, owner, tags,
       timeout, crashes, retention, created_at,
       CASE WHEN saved_at IS NOT NULL THEN (SELECT saved FROM saved WHERE job = moved.seq) END
FROM (SELECT count(*) AS heads FROM heads) AS seen LEFT JOIN (moved JOIN specs ON specs.seq = moved.seq) ON true
ORDER BY priority DESC, moved.seq
""")

LOOK_AT_HEAD = constant("""
EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON)
SELECT seq FROM runs WHERE state = 'enqueued' AND lane = %s ORDER BY seq LIMIT 1
""")

_ATTEMPT: Final = {"seq": "bigint", "token": "integer"}
SUCCEED = constant(f"""
WITH moved AS (
    UPDATE runs SET state = 'succeeded', reason = NULL, actor = NULL, result = coalesce(given.result, runs.result),
                    finished_at = {LATER}, changed_at = {LATER}, expires_at = given.keep, error_type = NULL,
                    error_message = NULL, error_traceback = NULL, continues = false
    FROM {arrays(**_ATTEMPT, result="text", keep="bigint")}
    WHERE runs.seq = given.seq AND runs.token = given.token AND {sources(Verb.SUCCEED)} AND requested IS NULL
    {CHANGED}
), {told("'processing'")}, {counted(State.PROCESSING, State.SUCCEEDED)}
SELECT seq, token FROM moved
""")
HELD = constant(f"""
SELECT runs.seq, runs.token, requested, requested_reason, requested_by, retention, lane
FROM runs JOIN specs USING (seq) JOIN {arrays(**_ATTEMPT)}
  ON given.seq = runs.seq AND given.token = runs.token
WHERE {sources(Verb.SUCCEED)} ORDER BY runs.seq FOR UPDATE OF runs
""")
ENDING: Final = {
    "seq": "bigint",
    "token": "integer",
    "state": "text",
    "reason": "text",
    "actor": "text",
    "run_at": "bigint",
    "result": "text",
    "error_type": "text",
    "error_message": "text",
    "error_traceback": "text",
    "finished_at": "bigint",
    "expires_at": "bigint",
    "continues": "boolean",
    "requested": "text",
    "crashes": "integer",
}
_SUCCEEDS = f"given.state = '{State.SUCCEEDED}'"
SETTLE = constant(f"""
WITH moved AS (
    UPDATE runs SET state = given.state, reason = given.reason, actor = given.actor, run_at = given.run_at,
                    result = coalesce(given.result, runs.result),
                    error_type = CASE WHEN {_SUCCEEDS} THEN NULL ELSE coalesce(given.error_type, runs.error_type) END,
                    error_message = CASE WHEN {_SUCCEEDS} THEN NULL
                                         ELSE coalesce(given.error_message, runs.error_message) END,
                    error_traceback = CASE WHEN {_SUCCEEDS} THEN NULL
                                           ELSE coalesce(given.error_traceback, runs.error_traceback) END,
                    finished_at = {ended("given.finished_at")}, changed_at = {LATER}, expires_at = given.expires_at,
                    continues = given.continues, crashes = runs.crashes + given.crashes,
                    requested = NULL, requested_at = NULL, requested_by = NULL, requested_reason = NULL
    FROM {arrays(**ENDING)}
    WHERE runs.seq = given.seq AND runs.token = given.token AND {sources(Verb.SUCCEED)}
      AND runs.requested IS NOT DISTINCT FROM given.requested
    {CHANGED}
), {told("'processing'")}
SELECT seq, token, state, lane FROM moved
""")

FORGET_HISTORY = constant(f"""
DELETE FROM events USING (
    SELECT seq, row_number() OVER (PARTITION BY job ORDER BY seq) AS nth,
           row_number() OVER (PARTITION BY job ORDER BY seq DESC) AS nth_last
    FROM events WHERE job = ANY(%s) AND kind < 2
) AS told WHERE events.seq = told.seq AND nth > 1 AND nth_last > {MAX_HISTORY}
""")
"""By job, so that the index of jobs is used: ordered by `seq` alone, the server might walk the table from its end."""

REPORTED: Final = {
    "seq": "bigint",
    "token": "integer",
    "progress": "text",
    "saves": "boolean",
    "lines": "integer",
}
SAVING: Final = {"seq": "bigint", "saved": "text"}
LOGGING: Final = {
    "job": "bigint",
    "at": "bigint",
    "level": "text",
    "message": "text",
    "fields": "text",
    "attempt": "integer",
}
REPORT = constant(f"""
WITH moved AS (
    UPDATE runs SET progress = coalesce(given.progress, runs.progress), log_lines = runs.log_lines + given.lines,
                    saved_at = CASE WHEN given.saves THEN %(now)s ELSE runs.saved_at END,
                    changed_at = CASE WHEN given.progress IS NULL THEN runs.changed_at
                                      ELSE greatest(%(now)s, runs.changed_at) END
    FROM {arrays(**REPORTED)}
    WHERE runs.seq = given.seq AND runs.token = given.token AND {sources(Verb.SUCCEED)}
    RETURNING runs.seq, runs.state, requested, runs.log_lines, attempt, given.progress IS NOT NULL AS progressed
), told AS (
    INSERT INTO events (at, kind, job, state) SELECT %(now)s, 2, seq, state FROM moved WHERE progressed ORDER BY seq
)
SELECT seq, coalesce(requested, ''), log_lines, attempt FROM moved
""")
SAVE = constant(f"""
INSERT INTO saved (job, saved, at, count)
SELECT seq, given.saved, %(now)s, 1 FROM {arrays(**SAVING)} ORDER BY seq
ON CONFLICT (job) DO UPDATE SET saved = excluded.saved, at = excluded.at, count = saved.count + 1
""")
LOG = constant(f"""
WITH lines AS (
    INSERT INTO logs (job, at, level, message, fields, attempt)
    SELECT * FROM {arrays(**LOGGING)}
    RETURNING job
)
INSERT INTO events (at, kind, job) SELECT DISTINCT %(now)s::bigint, 3, job FROM lines
""")
