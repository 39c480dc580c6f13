"""What a judgement of the whole asks of the embedded database, and how the outcomes of the types are counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import apsw

from holdfast.core.records import OutcomeRecord, PartitionRecord
from holdfast.storage.sqlite.boot_clock import boot_id
from holdfast.storage.sqlite.connection import fetch_all
from holdfast.storage.verbs.maintenance import MINUTE

_NEXT = "SELECT seq FROM jobs INDEXED BY jobs_ready WHERE state = 'enqueued' AND"
HEADS = f"""
head (seq, queue, type, priority, since) AS (
    SELECT * FROM (SELECT seq, queue, type, priority, changed_at FROM jobs INDEXED BY jobs_ready
                   WHERE state = 'enqueued' ORDER BY queue, type, priority DESC, seq LIMIT 1)
    UNION ALL
    SELECT following.seq, following.queue, following.type, following.priority, following.changed_at
    FROM head, jobs AS following
    WHERE following.seq = coalesce(
        ({_NEXT} queue = head.queue AND type = head.type AND priority < head.priority ORDER BY priority DESC, seq LIMIT 1),
        ({_NEXT} queue = head.queue AND type > head.type ORDER BY type, priority DESC, seq LIMIT 1),
        ({_NEXT} queue > head.queue ORDER BY queue, type, priority DESC, seq LIMIT 1))
)
"""
"""The first job of each (queue, type, priority) that has enqueued ones: one seek for each, however many jobs wait."""
PARTITIONS = f"""
WITH RECURSIVE {HEADS}
SELECT queue, type,
       (SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_ready
                              WHERE state = 'enqueued' AND queue = head.queue AND type = head.type LIMIT ?1)),
       since, min(seq)
FROM head GROUP BY queue, type ORDER BY queue, type
"""
"""`since` is that of the row with the least seq."""

OUTCOMES = """
WITH recent AS (SELECT type, at, succeeded, failed FROM outcomes WHERE at >= ?1),
healthy AS (SELECT type, max(at) AS at FROM recent WHERE succeeded > 0 GROUP BY type),
broken AS (
    SELECT type, sum(failed) AS failed, min(recent.at) AS at FROM recent LEFT JOIN healthy USING (type)
    WHERE failed > 0 AND recent.at > coalesce(healthy.at, 0) GROUP BY type
)
SELECT recent.type, sum(recent.succeeded), sum(recent.failed), coalesce(max(broken.failed), 0), max(broken.at) * 1000000
FROM recent LEFT JOIN broken USING (type) GROUP BY recent.type ORDER BY recent.type
"""
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


class InsightVerbs:
    """The verbs of `holdfast.storage.insight`, a part of `SqliteReader`."""

    reading: Callable[[], AbstractContextManager[apsw.Connection]]
    now: Callable[[], int]
    _lease_now: Callable[[], int]

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        with self.reading() as db:
            return [PartitionRecord._make(row[:4]) for row in fetch_all(db, PARTITIONS, (cap,))]

    def outcomes(self, *, since: int) -> list[OutcomeRecord]:
        with self.reading() as db:
            return [OutcomeRecord._make(row) for row in fetch_all(db, OUTCOMES, (since // MINUTE * 60,))]

    def led_until(self, role: str) -> int | None:
        with self.reading() as db:
            rows = fetch_all(db, "SELECT boot, deadline FROM leaders WHERE role = ?", (role,))
        if not rows:
            return None
        boot, deadline = rows[0]
        booted = self.now() - self._lease_now()  # which ends every lease that began before
        return booted + (deadline if boot == boot_id() else 0)
