"""What a judgement of the whole asks of the database, and how the outcomes of the types are counted."""

from __future__ import annotations

from typing import Any, Final

from holdfast.core.records import OutcomeRecord, PartitionRecord
from holdfast.storage.postgres.statements import constant
from holdfast.storage.verbs.maintenance import MINUTE

PARTITIONS: Final = """
WITH kept AS MATERIALIZED (
    SELECT lane, sum(n) AS n FROM counts WHERE state = 'enqueued' GROUP BY lane HAVING sum(n) > 0
)
SELECT lanes.queue, lanes.type, least(sum(kept.n), %s)::bigint, (array_agg(head.changed_at ORDER BY head.seq))[1]
FROM kept JOIN lanes ON lanes.id = kept.lane CROSS JOIN LATERAL (
    SELECT seq, changed_at FROM runs WHERE runs.state = 'enqueued' AND runs.lane = kept.lane ORDER BY seq LIMIT 1
) AS head
GROUP BY lanes.queue, lanes.type ORDER BY lanes.queue, lanes.type
"""

OUTCOMES: Final = """
WITH recent AS (SELECT type, at, succeeded, failed FROM outcomes WHERE at >= %s),
healthy AS (SELECT type, max(at) AS at FROM recent WHERE succeeded > 0 GROUP BY type),
broken AS (
    SELECT type, sum(failed) AS failed, min(recent.at) AS at FROM recent LEFT JOIN healthy USING (type)
    WHERE failed > 0 AND recent.at > coalesce(healthy.at, 0) GROUP BY type
)
SELECT recent.type, sum(recent.succeeded)::bigint, sum(recent.failed)::bigint, coalesce(max(broken.failed), 0)::bigint,
       max(broken.at) * 1000000
FROM recent LEFT JOIN broken USING (type) GROUP BY recent.type ORDER BY recent.type
"""
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


class InsightVerbs:
    """The verbs of `holdfast.storage.insight`, a part of `PostgresReader`."""

    def _rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        return [PartitionRecord._make(row) for row in self._rows(PARTITIONS, (cap,))]

    def outcomes(self, *, since: int) -> list[OutcomeRecord]:
        return [OutcomeRecord._make(row) for row in self._rows(OUTCOMES, (since // MINUTE * 60,))]

    def led_until(self, role: str) -> int | None:
        rows = self._rows("SELECT deadline FROM leaders WHERE role = %s", (role,))
        return rows[0][0] if rows else None
