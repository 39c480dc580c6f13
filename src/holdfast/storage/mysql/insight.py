"""What a judgement of the whole asks of the server, and how the outcomes of the types are counted."""

from __future__ import annotations

from typing import Final

from holdfast.core.records import OutcomeRecord, PartitionRecord
from holdfast.storage.mysql.connection import Row as Values
from holdfast.storage.mysql.literals import Value
from holdfast.storage.verbs.maintenance import MINUTE

PARTITIONS: Final = """
SELECT first.queue, first.type, least(counts.n, %s), jobs.changed_at
FROM (
    SELECT queue, type, min(job) AS job FROM (
        SELECT queue, type, turn, min(job) AS job FROM ready GROUP BY queue, type, turn
    ) AS heads GROUP BY queue, type
) AS first
JOIN jobs ON jobs.seq = first.job
JOIN counts ON counts.queue = first.queue AND counts.type = first.type AND counts.state = 'enqueued'
ORDER BY first.queue, first.type
"""
"""The innermost is a loose scan of the primary key: one seek for each (queue, type, priority) that has jobs."""

OUTCOMES: Final = """
WITH recent AS (SELECT type, at, succeeded, failed FROM outcomes WHERE at >= %s),
healthy AS (SELECT type, max(at) AS at FROM recent WHERE succeeded > 0 GROUP BY type),
broken AS (
    SELECT recent.type, sum(recent.failed) AS failed, min(recent.at) AS at
    FROM recent LEFT JOIN healthy ON healthy.type = recent.type
    WHERE recent.failed > 0 AND recent.at > coalesce(healthy.at, 0) GROUP BY recent.type
)
SELECT recent.type, sum(recent.succeeded), sum(recent.failed), coalesce(max(broken.failed), 0), max(broken.at) * 1000000
FROM recent LEFT JOIN broken ON broken.type = recent.type GROUP BY recent.type ORDER BY recent.type
"""
COUNT_OUTCOMES: Final = """
INSERT INTO outcomes (at, type, succeeded, failed)
SELECT events.at DIV 60000000 * 60 AS begun, jobs.type, sum(events.state = 'succeeded'), sum(events.state <> 'succeeded')
FROM events JOIN jobs ON jobs.seq = events.job
WHERE events.seq > %s AND events.seq <= %s AND events.kind = 0 AND events.previous = 'processing'
  AND (events.state IN ('succeeded', 'failed') OR events.state = 'scheduled' AND events.reason = 'retry')
GROUP BY begun, jobs.type
ON DUPLICATE KEY UPDATE succeeded = outcomes.succeeded + VALUES(succeeded), failed = outcomes.failed + VALUES(failed)
"""
EXPIRE_OUTCOMES: Final = "DELETE FROM outcomes WHERE at < %s"


class InsightVerbs:
    """The verbs of `holdfast.storage.insight`, a part of `MysqlReader`."""

    def _rows(self, sql: str, *values: Value) -> list[Values]:
        raise NotImplementedError

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        return [PartitionRecord._make(row) for row in self._rows(PARTITIONS, cap)]

    def outcomes(self, *, since: int) -> list[OutcomeRecord]:
        return [
            OutcomeRecord(type_, int(succeeded), int(failed), int(failing), None if at is None else int(at))
            for type_, succeeded, failed, failing, at in self._rows(OUTCOMES, since // MINUTE * 60)
        ]

    def led_until(self, role: str) -> int | None:
        rows = self._rows("SELECT deadline FROM leaders WHERE role = %s", role)
        return rows[0][0] if rows else None
