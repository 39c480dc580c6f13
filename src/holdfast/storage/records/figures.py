"""What is counted for the charts and for each job type."""

from __future__ import annotations

from typing import Final

from holdfast.core.records import BucketRecord, OutcomeRecord
from holdfast.storage.records.session import ReadSession
from holdfast.storage.verbs.maintenance import MINUTE

SECOND: Final = 1_000_000

BUCKETS: Final = """
SELECT at - at % ?, sum(succeeded), sum(failed), sum(cancelled), sum(started) FROM buckets WHERE at >= ?
GROUP BY 1 ORDER BY 1
"""
OUTCOMES: Final = """
WITH recent AS (SELECT type, at, succeeded, failed FROM outcomes WHERE at >= ?),
healthy AS (SELECT type, max(at) AS at FROM recent WHERE succeeded > 0 GROUP BY type),
broken AS (
    SELECT recent.type, sum(recent.failed) AS failed, min(recent.at) AS at
    FROM recent LEFT JOIN healthy ON healthy.type = recent.type
    WHERE recent.failed > 0 AND recent.at > coalesce(healthy.at, 0) GROUP BY recent.type
)
SELECT recent.type, sum(recent.succeeded), sum(recent.failed), coalesce(max(broken.failed), 0), max(broken.at)
FROM recent LEFT JOIN broken ON broken.type = recent.type GROUP BY recent.type ORDER BY recent.type
"""


class FigureReader:
    """`buckets` and `outcomes` of `MaintenanceReads`."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    def buckets(self, *, since: int, step: int) -> list[BucketRecord]:
        rows = self._session.rows(BUCKETS, (step, since // SECOND))
        return [BucketRecord(at * SECOND, *map(int, counts)) for at, *counts in rows]

    def outcomes(self, *, since: int) -> list[OutcomeRecord]:
        rows = self._session.rows(OUTCOMES, (since // MINUTE * 60,))
        return [
            OutcomeRecord(type_, int(succeeded), int(failed), int(failing), since and since * SECOND)
            for type_, succeeded, failed, failing, since in rows
        ]
