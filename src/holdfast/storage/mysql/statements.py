"""The SQL of the write verbs, by name; sets of states come from the transition table."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.core.sizes import HISTORY_CLAIMS, MAX_HISTORY
from holdfast.core.states import FINAL_STATES, TRANSITIONS, State, Verb


def states(several: Iterable[State]) -> str:
    """('…', '…') for IN."""
    return "(" + ", ".join(f"'{state}'" for state in sorted(several)) + ")"


def source(verb: Verb) -> str:
    """The states that `verb` may leave."""
    return states(TRANSITIONS[verb].sources)


JOB_COLUMNS = (
    "seq, id, type, queue, state, reason, actor, requested, requested_at, requested_by, requested_reason, priority, args, "
    "owner, tags, progress, result, error_type, error_message, error_traceback, attempt, max_attempts, crashes, token, "
    "worker, timeout, unique_key, origin, created_at, changed_at, run_at, started_at, finished_at, expires_at, saved_at"
)
"""The columns of JobRecord, in its order."""

SINCE = "greatest(changed_at, coalesce(requested_at, 0))"
"""What the history of a job tells last: no change is told to be before it, also when a clock was set back."""

TELL = "INSERT INTO events (seq, at, kind, job, state, previous, reason, actor, attempt, worker) VALUES "
NUMBER = "LAST_INSERT_ID()"
NUMBERS = "UPDATE feed SET newest = LAST_INSERT_ID(newest + %s) WHERE one = 1"
"""Draws so many numbers, the last of which is NUMBER then; locks the row until the end, so it comes right before that."""

COUNT = "INSERT INTO counts (queue, type, state, n) VALUES "
COUNTED = " ON DUPLICATE KEY UPDATE n = counts.n + VALUES(n)"

TIME = "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"
BEGIN = f"SELECT {TIME}, words FROM seal WHERE one = 1 LOCK IN SHARE MODE"
BEGIN_SEALED = f"SELECT {TIME}, NULL"

UNLOCKED = "SELECT seq FROM jobs WHERE seq IN {seqs} FOR UPDATE SKIP LOCKED"

INSERT = (
    "INSERT INTO jobs (id, type, queue, state, actor, priority, args, owner, tags, max_attempts, timeout, unique_key, "
    "idempotency_key, retention, origin, created_at, changed_at, run_at) VALUES "
)
INSERT_TAGS = "INSERT INTO job_tags (tag, job) VALUES "
INSERT_READY = "INSERT INTO ready (queue, type, turn, job) VALUES "
INSERT_DUE = "INSERT INTO due (at, job) VALUES "
INSERT_EXPIRY = "INSERT INTO expiry (at, job) VALUES "
TAKE_BACK = "DELETE FROM jobs WHERE seq = %s"
HOLD_IDEMPOTENCY = "INSERT INTO idempotency_keys (name, id) VALUES (%s, %s)"
IDEMPOTENCY_HOLDER = "SELECT id FROM idempotency_keys WHERE name = %s"
FREE_IDEMPOTENCY = "DELETE FROM idempotency_keys WHERE name = %s AND id = %s"
HOLD_UNIQUE = "INSERT INTO unique_keys (type, name, id) VALUES (%s, %s, %s)"
UNIQUE_HOLDER = "SELECT id FROM unique_keys WHERE type = %s AND name = %s"
FREE_UNIQUE = "DELETE FROM unique_keys WHERE type = %s AND name = %s AND id = %s"

MAY_CLAIM = "SELECT 1 FROM workers WHERE id = %s AND state = 'live' AND deadline >= %s "
"""With a SHARED lock: a sweep that takes the worker for dead waits until this claim is visible to it."""
SHARED = {True: "LOCK IN SHARE MODE NOWAIT", False: "FOR SHARE NOWAIT"}
"""As MariaDB writes it, and as MySQL does."""
READY_LANES = """
SELECT queue, type FROM counts WHERE state = 'enqueued' AND n > 0
AND queue NOT IN (SELECT name FROM queues WHERE paused_at IS NOT NULL)
"""
HEAD = (
    "(SELECT {lane} AS lane, turn, job FROM ready WHERE queue = %s AND type = %s ORDER BY turn, job LIMIT %s)"
)
SHARES = """
SELECT lane, count(*) FROM (SELECT lane FROM ({heads}) AS heads ORDER BY turn, job LIMIT %s) AS best GROUP BY lane
"""
LOCK_READY = """
SELECT turn, job FROM ready FORCE INDEX (PRIMARY) WHERE queue = %s AND type = %s{floor} ORDER BY turn, job LIMIT %s
FOR UPDATE SKIP LOCKED
"""
FLOOR = " AND ((turn = %s AND job >= %s) OR turn > %s)"
LOCK_ENQUEUED = f"""
SELECT seq, id, type, queue, priority, token + 1, attempt + 1 - continues, max_attempts, args, owner, tags, timeout, crashes,
       retention, created_at, saved_at, {SINCE}
FROM jobs WHERE seq IN {{seqs}} AND state IN {source(Verb.CLAIM)} FOR UPDATE SKIP LOCKED
"""
"""Without those that a person's command holds: to wait here, with entries of `ready` in hand, could be a deadlock."""
CLAIM = f"""
UPDATE jobs SET state = 'processing', reason = NULL, actor = NULL, token = token + 1, attempt = attempt + 1 - continues,
                continues = 0, worker = {{worker}}, started_at = greatest({{now}}, {SINCE}), changed_at = started_at,
                run_at = NULL, finished_at = NULL
WHERE seq IN {{seqs}} AND state IN {source(Verb.CLAIM)}
"""
LEAVE_READY = "DELETE FROM ready WHERE queue = {queue} AND type = {type} AND turn = {turn} AND job IN {seqs}"
SAVED_OF = "SELECT job, saved FROM saved WHERE job IN {seqs}"

HELD = f"""
SELECT seq, token, id, type, queue, priority, requested, requested_reason, requested_by, retention, attempt, worker,
       unique_key, log_lines, crashes, {SINCE}
FROM jobs WHERE seq IN {{seqs}} AND state IN {source(Verb.SUCCEED)} ORDER BY seq FOR UPDATE NOWAIT
"""
HOLDS = f"state IN {source(Verb.SUCCEED)}"
SAVE = "INSERT INTO saved (job, saved, at, times) VALUES "
SAVE_AGAIN = " ON DUPLICATE KEY UPDATE saved = VALUES(saved), at = VALUES(at), times = times + 1"
LOG = "INSERT INTO logs (job, at, level, message, fields, attempt) VALUES "

FACTS = f"""
SELECT seq, id, state, requested, run_at, retention, type, queue, priority, unique_key, idempotency_key, expires_at, attempt,
       worker, error_type, {SINCE},
       (SELECT 1 FROM events WHERE job = jobs.seq AND kind < 2 LIMIT 1 OFFSET {MAX_HISTORY + HISTORY_CLAIMS})
FROM jobs WHERE seq IN {{seqs}} ORDER BY seq FOR UPDATE NOWAIT
"""
SEQS_OF = "SELECT seq FROM jobs WHERE id IN {ids}"
ASK = """
UPDATE jobs SET requested = %s, requested_at = %s, requested_by = %s, requested_reason = %s
WHERE seq IN {seqs} AND state = 'processing' AND requested <=> %s
"""
RETRIED = ", max_attempts = greatest(max_attempts, attempt + 1), crashes = 0, run_at = NULL"


def move(verb: Verb) -> str:
    """A person's change of jobs that nobody is processing. Parameters: reason, actor, now, finished, expires."""
    way = TRANSITIONS[verb]
    more = RETRIED if verb is Verb.RETRY else ""
    return f"""
UPDATE jobs SET state = '{way.target}', reason = %s, actor = %s, changed_at = %s, finished_at = %s, expires_at = %s{more}
WHERE seq IN {{seqs}} AND state IN {states(way.sources)}
"""


LOCK_DUE = "SELECT at, job FROM due WHERE at <= %s ORDER BY at, job LIMIT %s FOR UPDATE SKIP LOCKED"
LOCK_SCHEDULED = f"""
SELECT seq, type, queue, priority, reason, attempt, worker, run_at, {SINCE} FROM jobs
WHERE seq IN {{seqs}} AND state IN {source(Verb.PROMOTE)} FOR UPDATE SKIP LOCKED
"""
PROMOTE = f"""
UPDATE jobs SET state = 'enqueued', actor = NULL, changed_at = greatest({{now}}, {SINCE})
WHERE seq IN {{seqs}} AND state IN {source(Verb.PROMOTE)}
"""
LEAVE_DUE = "DELETE FROM due WHERE at >= {low} AND at <= {high} AND job IN {seqs}"
NEXT_DUE = "SELECT min(at) FROM due"

STANDING = "workers.state <> 'lost' AND workers.deadline >= {now}"
ORPHANS = f"""
SELECT seq FROM jobs WHERE state = 'processing'
AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = jobs.worker AND {STANDING} AND workers.id NOT IN {{dead}})
"""
"""Looked for from the jobs' side, so that a worker row that is gone hides nobody, and in one statement, so that a worker
which registers and claims meanwhile is seen whole or not at all."""
LOCK_ORPHANS = f"""
SELECT seq, id, type, queue, priority, worker, token, requested, requested_reason, requested_by, crashes, retention, attempt,
       unique_key, {SINCE}
FROM jobs WHERE seq IN {{seqs}} AND state = 'processing'
AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = jobs.worker AND {STANDING} AND workers.id NOT IN {{dead}})
ORDER BY seq FOR UPDATE SKIP LOCKED
"""
DYING = """
SELECT id FROM workers WHERE state <> 'lost' AND (id IN {dead} OR deadline < {now}) ORDER BY id FOR UPDATE{waiting}
"""
SKIPPING = " SKIP LOCKED"
LOSE_WORKERS = "UPDATE workers SET state = 'lost', lost_at = {now} WHERE id IN {dead} AND state <> 'lost'"
LONG_LOST = "SELECT id FROM workers WHERE state = 'lost' AND lost_at < %s FOR UPDATE SKIP LOCKED"
FORGET_WORKERS = "DELETE FROM workers WHERE id IN {ids}"

LOCK_EXPIRED = "SELECT at, job FROM expiry WHERE at <= %s ORDER BY at, job LIMIT %s FOR UPDATE SKIP LOCKED"
LOCK_ENDED = f"""
SELECT seq, id, queue, type, state, idempotency_key, expires_at
FROM jobs WHERE seq IN {{seqs}} AND state IN {states(FINAL_STATES)}
FOR UPDATE SKIP LOCKED
"""
LEAVE_EXPIRY = "DELETE FROM expiry WHERE at >= {low} AND at <= {high} AND job IN {seqs}"
FORGET_HISTORY = f"""
DELETE events FROM events JOIN (
    SELECT seq, row_number() OVER (PARTITION BY job ORDER BY seq) AS nth,
           row_number() OVER (PARTITION BY job ORDER BY seq DESC) AS nth_last
    FROM events WHERE job IN {{seqs}} AND kind < 2
) AS told ON events.seq = told.seq WHERE nth > 1 AND nth_last > {MAX_HISTORY}
"""
REMOVE = (
    f"DELETE FROM jobs WHERE seq IN {{seqs}} AND state IN {states(FINAL_STATES)}",
    "DELETE FROM events WHERE job IN {seqs} AND kind < 2",
    "DELETE FROM saved WHERE job IN {seqs}",
    "DELETE FROM logs WHERE job IN {seqs}",
    "DELETE FROM job_tags WHERE job IN {seqs}",
)
FREE_IDEMPOTENCIES = "DELETE FROM idempotency_keys WHERE name IN {names} AND id IN {ids}"
META = "SELECT value FROM meta WHERE name = %s FOR UPDATE"
SET_META = "UPDATE meta SET value = %s WHERE name = %s"
PASSED = "SELECT seq, at, kind FROM events WHERE seq >= %s ORDER BY seq LIMIT %s"
FORGET_EVENTS = "DELETE FROM events WHERE seq IN {seqs}"
EXPIRE_BUCKETS = "DELETE FROM buckets WHERE at < %s"
NEWEST = "SELECT newest FROM feed WHERE one = 1"
ROLL_UP = """
INSERT INTO buckets (at, started, succeeded, failed, cancelled)
SELECT at DIV 10000000 * 10, sum(state = 'processing'), sum(state = 'succeeded'), sum(state = 'failed'),
       sum(state = 'cancelled')
FROM events WHERE seq > %s AND seq <= %s AND kind = 0 AND state IN ('processing', 'succeeded', 'failed', 'cancelled')
GROUP BY 1
ON DUPLICATE KEY UPDATE started = buckets.started + VALUES(started), succeeded = buckets.succeeded + VALUES(succeeded),
    failed = buckets.failed + VALUES(failed), cancelled = buckets.cancelled + VALUES(cancelled)
"""
COUNT_OUTCOMES = """
INSERT INTO outcomes (at, type, succeeded, failed)
SELECT events.at DIV 60000000 * 60 AS begun, jobs.type, sum(events.state = 'succeeded'), sum(events.state <> 'succeeded')
FROM events JOIN jobs ON jobs.seq = events.job
WHERE events.seq > %s AND events.seq <= %s AND events.kind = 0 AND events.previous = 'processing'
  AND (events.state IN ('succeeded', 'failed') OR events.state = 'scheduled' AND events.reason = 'retry')
GROUP BY begun, jobs.type
ON DUPLICATE KEY UPDATE succeeded = outcomes.succeeded + VALUES(succeeded), failed = outcomes.failed + VALUES(failed)
"""
EXPIRE_OUTCOMES = "DELETE FROM outcomes WHERE at < %s"
TYPE_COLUMNS = (  # as a TypeRecord has them; `schema` is a word of the server's
    "name, queue, args_schema, doc, signature, executor, max_attempts, timeout, priority, tags, retention, updated_at"
)
