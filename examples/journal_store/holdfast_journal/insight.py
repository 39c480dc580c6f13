"""What a judgement of the whole asks: what waits in which queue, how each type fares, who led until when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from holdfast.core.records import OutcomeRecord, PartitionRecord
from holdfast.core.states import State
from holdfast.storage.verbs.maintenance import MINUTE
from holdfast_journal.journal import Journal, Row

RETRIED: Final = (State.SCHEDULED.value, "retry")


def ends_attempt(event: Row) -> bool:
    """Whether an event of a job says how an attempt has ended."""
    if event["kind"] != "state" or event["previous"] != State.PROCESSING:
        return False
    return event["state"] in (State.SUCCEEDED, State.FAILED) or (event["state"], event["reason"]) == RETRIED


class InsightVerbs:
    """The verbs of `holdfast.storage.insight`, a part of `JournalReader`."""

    _journal: Journal
    now: Callable[[], int]

    def partitions(self, *, cap: int) -> list[PartitionRecord]:
        waiting = [job for job in self._journal.rows("jobs") if job["state"] == State.ENQUEUED]
        waiting.sort(key=lambda job: job["seq"])
        counts = Counter((job["queue"], job["type"]) for job in waiting)
        since = {(job["queue"], job["type"]): job["changed_at"] for job in reversed(waiting)}
        return [PartitionRecord(*key, min(counts[key], cap), since[key]) for key in sorted(counts)]

    def outcomes(self, *, since: int) -> list[OutcomeRecord]:
        rows = [row for row in self._journal.rows("outcomes") if row["at"] >= since // MINUTE * MINUTE]
        return [
            self._outcome(type_, [row for row in rows if row["type"] == type_])
            for type_ in sorted({row["type"] for row in rows})
        ]

    def _outcome(self, type_: str, rows: list[Row]) -> OutcomeRecord:
        healthy = max((row["at"] for row in rows if row["succeeded"]), default=0)
        broken = [row for row in rows if row["failed"] and row["at"] > healthy]
        succeeded, failed = sum(row["succeeded"] for row in rows), sum(row["failed"] for row in rows)
        since = min((row["at"] for row in broken), default=None)
        return OutcomeRecord(type_, succeeded, failed, sum(row["failed"] for row in broken), since)

    def led_until(self, role: str) -> int | None:
        led = self._journal.get("leaders", role)
        return None if led is None else led["deadline"]
