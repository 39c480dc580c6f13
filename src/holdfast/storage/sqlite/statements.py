"""The SQL of the write verbs, by name; sets of states come from the transition table."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.core.records import TypeRecord
from holdfast.core.sizes import HISTORY_CLAIMS, MAX_HISTORY
from holdfast.core.states import ACTIVE_STATES, FINAL_STATES, TRANSITIONS, State, Verb


def _set(states: Iterable[State]) -> str:
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


def _from(verb: Verb) -> str:
    return _set(TRANSITIONS[verb].sources)


LANED = "state NOT IN ('enqueued', 'processing')"
"""Word for word the condition of `jobs_lane`: only so does SQLite see that the index serves a statement."""

JOB_COLUMNS = (
    "seq, id, type, queue, state, reason, actor, requested, requested_at, requested_by, requested_reason, priority, args, "
    "owner, tags, progress, result, error_type, error_message, error_traceback, attempt, max_attempts, crashes, token, "
    "worker, timeout, unique_key, origin, created_at, changed_at, run_at, started_at, finished_at, expires_at, saved_at"
)
"""The columns of JobRecord, in its order."""


def _later(now: str) -> str:
    """The time of a change, which is never before what the job's history tells already: a clock may be set back."""
    return f"max({now}, changed_at, coalesce(requested_at, 0))"


_NEXT = "1 + max((SELECT coalesce(max(seq), 0) FROM events), (SELECT coalesce(max(seq), 0) FROM jobs))"
"""The number of the next job, which the event of its insert takes too (see 0004_one_sequence)."""
INSERT = f"""
INSERT INTO jobs (seq, id, type, queue, state, actor, priority, args, owner, tags, max_attempts, timeout, unique_key,
                  idempotency_key, retention, origin, created_at, changed_at, run_at)
VALUES ({_NEXT}, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16, ?17)
"""
INSERT_ALIKE = f"""
INSERT INTO jobs (seq, id, args, type, queue, state, actor, priority, owner, max_attempts, timeout, retention, origin,
                  created_at, changed_at, run_at)
SELECT {_NEXT} + s.key, s.value ->> 0, s.value ->> 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13
FROM json_each(?1) AS s
"""
"""Jobs that differ only in id and arguments, [[id, args], …] in one statement: a third of the time of one for each row."""
INSERT_TAG = "INSERT INTO job_tags (tag, job) SELECT ?1, seq FROM jobs WHERE id = ?2"
FIND_SAME = f"""
SELECT id FROM jobs WHERE id = ?1
UNION ALL SELECT id FROM jobs WHERE idempotency_key = ?2
UNION ALL SELECT id FROM jobs INDEXED BY jobs_unique WHERE type = ?3 AND unique_key = ?4 AND state IN {_set(ACTIVE_STATES)}
LIMIT 1
"""

MAY_CLAIM = "SELECT 1 FROM workers WHERE id = ?1 AND state = 'live' AND boot = ?2 AND deadline >= ?3"
PAUSED_QUEUES = "SELECT name FROM queues WHERE paused_at IS NOT NULL"
READY_LANES = """
WITH RECURSIVE lane (queue, type) AS (
    SELECT queue, type FROM (
        SELECT queue, type FROM jobs INDEXED BY jobs_ready WHERE state = 'enqueued' ORDER BY queue, type LIMIT 1)
    UNION ALL
    SELECT following.queue, following.type FROM lane, jobs AS following
    WHERE following.seq = coalesce(
        (SELECT seq FROM jobs INDEXED BY jobs_ready WHERE state = 'enqueued' AND queue = lane.queue AND type > lane.type
         ORDER BY type LIMIT 1),
        (SELECT seq FROM jobs INDEXED BY jobs_ready WHERE state = 'enqueued' AND queue > lane.queue
         ORDER BY queue, type LIMIT 1))
)
SELECT queue, type FROM lane
"""
"""Which (queue, type) pairs have enqueued jobs: one seek for each pair, however many jobs wait."""

LANE_HEAD = """
SELECT * FROM (SELECT seq, priority FROM jobs INDEXED BY jobs_ready WHERE state = 'enqueued' AND queue = ? AND type = ?
               ORDER BY priority DESC, seq LIMIT ?)
"""


def claim(lanes: int) -> str:
    """One guarded statement that claims the best jobs of so many lanes.

    Parameters: worker, now, then (queue, type, limit) for each lane, then the limit."""
    heads = " UNION ALL ".join([LANE_HEAD] * lanes)
    return f"""
UPDATE jobs SET state = 'processing', reason = NULL, actor = NULL, token = token + 1, attempt = attempt + 1 - continues,
                continues = 0, worker = ?, started_at = {_later("?")}, changed_at = {_later("?")}, run_at = NULL,
                finished_at = NULL
WHERE seq IN (SELECT seq FROM ({heads}) ORDER BY priority DESC, seq LIMIT ?) AND +state IN {_from(Verb.CLAIM)}
RETURNING seq, id, type, queue, priority, token, attempt, max_attempts, args, owner, tags, timeout, crashes, retention,
          created_at, CASE WHEN saved_at IS NOT NULL THEN (SELECT saved FROM saved WHERE job = seq) END
"""


SUCCEED = f"""
UPDATE jobs SET state = 'succeeded', reason = NULL, actor = NULL, result = s.value ->> 2, finished_at = {_later("?2")},
                changed_at = {_later("?2")}, expires_at = s.value ->> 3, error_type = NULL, error_message = NULL,
                error_traceback = NULL, continues = 0
FROM json_each(?1) AS s
WHERE jobs.seq = s.value ->> 0 AND jobs.token = s.value ->> 1 AND +jobs.state IN {_from(Verb.SUCCEED)} AND requested IS NULL
RETURNING seq, token
"""
"""A whole batch [[seq, token, result, expires_at], …] in one statement: half the time of one statement for each row."""
_SUCCEEDS = f"?3 = '{State.SUCCEEDED}'"
SETTLE = f"""
UPDATE jobs SET state = ?3, reason = ?4, actor = ?5, run_at = ?6, result = coalesce(?7, result),
                error_type = iif({_SUCCEEDS}, NULL, coalesce(?8, error_type)),
                error_message = iif({_SUCCEEDS}, NULL, coalesce(?9, error_message)),
                error_traceback = iif({_SUCCEEDS}, NULL, coalesce(?10, error_traceback)),
                finished_at = iif(?11 IS NULL, NULL, {_later("?12")}), changed_at = {_later("?12")}, expires_at = ?13,
                continues = ?14, crashes = crashes + ?16, requested = NULL, requested_at = NULL, requested_by = NULL,
                requested_reason = NULL
WHERE seq = ?1 AND token = ?2 AND state IN {_from(Verb.SUCCEED)} AND requested IS ?15
RETURNING seq
"""
FORGET_HISTORY = f"""
DELETE FROM events WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, row_number() OVER (ORDER BY seq) AS nth, row_number() OVER (ORDER BY seq DESC) AS nth_last
        FROM history WHERE job = ?1
    ) WHERE nth > 1 AND nth_last > {MAX_HISTORY}
)
"""
HELD = """
SELECT requested, requested_reason, requested_by, retention FROM jobs WHERE seq = ?1 AND token = ?2 AND state = 'processing'
"""

REPORT = """
UPDATE jobs SET progress = coalesce(?3, progress), saved_at = coalesce(?4, saved_at), log_lines = log_lines + ?5,
                changed_at = max(?6, changed_at)
WHERE seq = ?1 AND token = ?2 AND state = 'processing'
RETURNING coalesce(requested, ''), log_lines, attempt
"""
REPORT_PLAIN = """
UPDATE jobs SET saved_at = coalesce(?3, saved_at), log_lines = log_lines + ?4
WHERE seq = ?1 AND token = ?2 AND state = 'processing'
RETURNING coalesce(requested, ''), log_lines, attempt
"""
SAVE = """
INSERT INTO saved (job, saved, at, count) VALUES (?1, ?2, ?3, 1)
ON CONFLICT (job) DO UPDATE SET saved = excluded.saved, at = excluded.at, count = count + 1
"""
LOG = "INSERT INTO logs (job, at, level, message, fields, attempt) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
LOG_EVENT = "INSERT INTO events (at, kind, job) VALUES (?1, 3, ?2)"

FACTS = f"""
SELECT id, seq, state, requested, run_at, retention,
       EXISTS (SELECT 1 FROM history WHERE job = jobs.seq LIMIT 1 OFFSET {MAX_HISTORY + HISTORY_CLAIMS})
FROM jobs WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY seq
"""


def move(verb: Verb) -> str:
    """A person's change of a job that nobody is processing."""
    way = TRANSITIONS[verb]
    # a job that was paused between two attempts waits for the next one again, and says so
    reason = (
        "CASE WHEN error_type IS NOT NULL THEN 'retry' ELSE ?2 END" if verb is Verb.RESUME_LATER else "?2"
    )
    return f"""
UPDATE jobs SET state = '{way.target}', reason = {reason}, actor = ?3, changed_at = {_later("?4")},
                finished_at = iif(?5 IS NULL, NULL, {_later("?4")}), expires_at = ?6,
                max_attempts = max(max_attempts, attempt + ?7), crashes = crashes * (1 - ?7),
                run_at = CASE WHEN ?7 THEN NULL ELSE run_at END
WHERE seq = ?1 AND state IN {_set(way.sources)}
RETURNING seq
"""


ASK = f"""
UPDATE jobs SET requested = ?2, requested_at = {_later("?3")}, requested_by = ?4, requested_reason = ?5
WHERE seq = ?1 AND state = 'processing' AND requested IS ?6
RETURNING seq
"""
REMOVE = "DELETE FROM jobs WHERE seq = ?1 AND state = ?2 RETURNING seq"

PROMOTE = f"""
UPDATE jobs SET state = 'enqueued', actor = NULL, changed_at = {_later("?1")}
WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobs_due WHERE state = 'scheduled' AND run_at <= ?1 ORDER BY run_at LIMIT ?2)
  AND +state IN {_from(Verb.PROMOTE)}
RETURNING seq
"""
NEXT_DUE = "SELECT min(run_at) FROM jobs INDEXED BY jobs_due WHERE state = 'scheduled'"

ORPHANS = """
SELECT seq, id, type, worker, token, requested, requested_reason, requested_by, crashes, retention FROM jobs
WHERE state = 'processing'
  AND (worker IN (SELECT value FROM json_each(?1))
       OR worker NOT IN (SELECT id FROM workers WHERE state <> 'lost' AND boot = ?2 AND deadline >= ?3))
"""
"""Looked for from the jobs' side, so that a worker row that is gone hides nobody."""
RECOVER = f"""
UPDATE jobs SET state = ?3, reason = ?4, actor = ?5, changed_at = {_later("?6")},
                finished_at = iif(?7 IS NULL, NULL, {_later("?6")}), expires_at = ?8, crashes = ?9, continues = ?10,
                requested = NULL, requested_at = NULL, requested_by = NULL, requested_reason = NULL
WHERE seq = ?1 AND token = ?2 AND state = 'processing'
RETURNING seq
"""
LOSE_WORKERS = """
UPDATE workers SET state = 'lost', lost_at = ?4
WHERE state <> 'lost' AND (id IN (SELECT value FROM json_each(?1)) OR boot <> ?2 OR deadline < ?3)
RETURNING id
"""
FORGET_WORKERS = "DELETE FROM workers WHERE state = 'lost' AND lost_at < ?1"

EXPIRE = f"""
DELETE FROM jobs
WHERE seq IN (SELECT seq FROM jobs WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2) AND +state IN {_set(FINAL_STATES)}
RETURNING seq
"""
EXPIRE_EVENTS = """
DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE kind >= 2 AND at < ?1 LIMIT ?2)
  AND seq < (SELECT max(seq) FROM events)
  AND seq <> (SELECT seq FROM events WHERE kind >= 2 ORDER BY at DESC, seq DESC LIMIT 1)
"""
"""The newest of all stays, so that no seq is given twice; the newest passing one stays, so that `oldest_event` can tell that
others have been removed."""
EXPIRE_BUCKETS = "DELETE FROM buckets WHERE at < ?1"

WORKER_EVENT = "INSERT INTO events (at, kind, worker, reason) VALUES (?1, 6, ?2, ?3)"

TYPE_COLUMNS = ", ".join(TypeRecord._fields)
ROLLED_UP = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'rolled_up'"
ROLL_UP = """
INSERT INTO buckets (at, started, succeeded, failed, cancelled)
SELECT at / 10000000 * 10,
       sum(state = 'processing'), sum(state = 'succeeded'), sum(state = 'failed'), sum(state = 'cancelled')
FROM events WHERE seq > ?1 AND seq <= ?2 AND kind = 0 AND state IN ('processing', 'succeeded', 'failed', 'cancelled')
GROUP BY 1
ON CONFLICT (at) DO UPDATE SET started = started + excluded.started, succeeded = succeeded + excluded.succeeded,
    failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled
"""
MARK_ROLLED_UP = "UPDATE meta SET value = ?1 WHERE name = 'rolled_up'"
"""The cursor moves in the same transaction as the sums: two schedulers by accident count nothing twice."""
COUNT_OUTCOMES = """
INSERT INTO outcomes (at, type, succeeded, failed)
SELECT events.at / 60000000 * 60, jobs.type, sum(events.state = 'succeeded'), sum(events.state <> 'succeeded')
FROM events JOIN jobs ON jobs.seq = events.job
WHERE events.seq > ?1 AND events.seq <= ?2 AND events.kind = 0 AND events.previous = 'processing'
  AND (events.state IN ('succeeded', 'failed') OR events.state = 'scheduled' AND events.reason = 'retry')
GROUP BY 1, 2
ON CONFLICT (at, type) DO UPDATE SET succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed
"""
EXPIRE_OUTCOMES = "DELETE FROM outcomes WHERE at < ?1"
