"""Counts of jobs by queue, type and state, kept without a cost for the hot path.

The table `counts` is true as of the event `meta.counted`; what came later is added from the events when counts are read.
The leader's aggregation moves that event forward. An event that is removed before it was counted is counted by a trigger.
"""

from __future__ import annotations

from typing import Final

import apsw

from holdfast.storage.sqlite.connection import fetch_all

MAX_UNCOUNTED: Final = 200_000
"""Events behind the counts above which all jobs are counted anew: that takes no longer then. Only without a leader."""

EVENT_COST: Final = 5
"""Jobs that are counted, from an index, in the time in which one event is: measured 0.3 and 1.5 µs, on a busy machine."""

_COUNTED = "(SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'counted')"

_UNCOUNTED = f"SELECT coalesce(max(seq), 0) - {_COUNTED} FROM events"

_CHANGES = f"""
SELECT state, 1 AS n, job FROM events WHERE seq > {_COUNTED} AND seq <= ?1 AND kind = 0
UNION ALL
SELECT previous, -1, job FROM events WHERE seq > {_COUNTED} AND seq <= ?1 AND kind = 0 AND previous IS NOT NULL
"""
_COUNT = f"""
INSERT INTO counts (queue, type, state, n)
SELECT jobs.queue, jobs.type, changes.state, sum(n) FROM ({_CHANGES}) AS changes JOIN jobs ON jobs.seq = changes.job
GROUP BY 1, 2, 3 HAVING sum(n) <> 0
ON CONFLICT (queue, type, state) DO UPDATE SET n = n + excluded.n
"""
_SO_FAR = f"SELECT {_COUNTED}, coalesce(sum(n), 0) FROM counts"
_DROP = "DELETE FROM counts"
_DROP_EMPTY = "DELETE FROM counts WHERE n = 0"
_MARK_COUNTED = """
UPDATE meta SET value = CAST(max(CAST(value AS INTEGER), ?1) AS TEXT) WHERE name = 'counted'
"""

_LAST = 2**63 - 1
_STATES = f"""
SELECT state, sum(n) FROM (SELECT state, n FROM counts UNION ALL SELECT state, n FROM ({_CHANGES})) GROUP BY state
"""
_JOBS = f"""
SELECT queue, type, state, sum(n) AS n FROM (
    SELECT queue, type, state, n FROM counts
    UNION ALL
    SELECT jobs.queue, jobs.type, changes.state, n FROM ({_CHANGES}) AS changes JOIN jobs ON jobs.seq = changes.job
) GROUP BY queue, type, state HAVING sum(n) <> 0
"""
_ALL_JOBS = """
SELECT queue, type, 'enqueued' AS state, count(*) AS n FROM jobs WHERE state = 'enqueued' GROUP BY queue, type
UNION ALL
SELECT queue, type, 'processing', count(*) FROM jobs WHERE state = 'processing' GROUP BY queue, type
UNION ALL
SELECT queue, type, state, count(*) FROM jobs WHERE state NOT IN ('enqueued', 'processing') GROUP BY state, queue, type
"""
"""From the indexes of all jobs."""

_QUEUES = """
SELECT queue, sum(n) FILTER (WHERE state = 'enqueued') AS enqueued, sum(n) FILTER (WHERE state = 'processing') AS processing,
       sum(n) FILTER (WHERE state = 'scheduled') AS scheduled, sum(n) FILTER (WHERE state = 'paused') AS paused
FROM ({jobs}) GROUP BY queue
"""
_WRONG = f"""
SELECT queue || ' ' || type || ' ' || state || ' ' || coalesce(kept.n, 0) || ' for ' || coalesce(counted.n, 0)
FROM ({_JOBS}) AS kept FULL JOIN ({_ALL_JOBS}) AS counted USING (queue, type, state) WHERE kept.n IS NOT counted.n
ORDER BY 1 LIMIT ?2
"""


def states(db: apsw.Connection) -> dict[str, int]:
    """Number of jobs in each state that has any."""
    if _is_kept(db):
        rows = fetch_all(db, _STATES, (_LAST,))
    else:
        rows = fetch_all(db, f"SELECT state, sum(n) FROM ({_ALL_JOBS}) GROUP BY state")
    return dict(rows)


def queues(db: apsw.Connection) -> tuple[str, tuple[int, ...]]:
    """A query of (queue, enqueued, processing, scheduled, paused) for each queue that has jobs, and its parameters."""
    if _is_kept(db):
        return _QUEUES.format(jobs=_JOBS), (_LAST,)
    return _QUEUES.format(jobs=_ALL_JOBS), ()


def wrong(db: apsw.Connection, limit: int) -> list[str]:
    """Counts that differ from the jobs, "<queue> <type> <state> <kept> for <jobs>"; [] = all are right."""
    return [str(text) for (text,) in db.execute(_WRONG, (_LAST, limit))]


def count_until(db: apsw.Connection, event: int) -> None:
    """Move the counts forward to `event`, or to the newest one, in the transaction of the caller."""
    counted, jobs = fetch_all(db, _SO_FAR)[0]
    # compared with these events alone: after a large import there may be millions, which go in portions
    if (event - counted) * EVENT_COST > jobs:
        db.execute(_DROP)
        db.execute(f"INSERT INTO counts (queue, type, state, n) {_ALL_JOBS}")
        db.execute(_MARK_COUNTED, fetch_all(db, "SELECT coalesce(max(seq), 0) FROM events")[0])
    else:
        db.execute(_COUNT, (event,))
        db.execute(_DROP_EMPTY)
        db.execute(_MARK_COUNTED, (event,))


def _is_kept(db: apsw.Connection) -> bool:
    return bool(fetch_all(db, _UNCOUNTED)[0][0] <= MAX_UNCOUNTED)
