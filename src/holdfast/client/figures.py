"""Figures of the whole system: counts, rates, charts, and what needs attention."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.client.concerns import concern_view, gather, healed_views
from holdfast.client.queues import queue_views
from holdfast.client.views import BucketView, StatsView, Throughput
from holdfast.core.concerns import judge
from holdfast.core.facts import Facts
from holdfast.runtime.clock import from_us
from holdfast.storage.protocol import Reader

MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The figures of one moment, and the facts from which their concerns were judged."""

    stats: StatsView
    facts: Facts


class Figures:
    """The figures of a store."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def stats(self) -> StatsView:
        """Counts by state and queue, rates, the longest wait, and what needs attention."""
        return self.snapshot().stats

    def snapshot(self) -> Snapshot:
        """The figures, with the facts behind their concerns."""
        seq, now = self._reader.last_event(), self._reader.now()
        records, workers = self._reader.queues(), self._reader.workers()
        facts = gather(self._reader, queues=records, workers=workers)
        concerns = judge(facts)
        queues = queue_views(records, facts, concerns)
        alive = [w for w in workers if w.state != "lost"]
        waits = [queue.oldest_wait for queue in queues if queue.oldest_wait is not None]
        stats = StatsView(
            states=self._reader.states(),
            queues={queue.name: queue for queue in queues},
            concerns=[concern_view(concern) for concern in concerns],
            healed=healed_views(facts),
            throughput=self._throughput(now),
            oldest_wait=max(waits, default=None),
            workers=len(alive),
            workers_lost=len(workers) - len(alive),
            scheduler=next((leader.holder for leader in self._reader.leaders()), None),
            slots=sum(w.slots for w in alive),
            at=from_us(now),
            seq=seq,
        )
        return Snapshot(stats, facts)

    def _throughput(self, now: int) -> Throughput:
        minute = self._reader.buckets(since=now - MINUTE, step=10)
        succeeded, failed = sum(b.succeeded for b in minute), sum(b.failed for b in minute)
        cancelled = sum(b.cancelled for b in minute)
        # the newest bucket is still filling: the rate is taken over the one before it
        whole = [b for b in minute if b.at <= now - 10_000_000]
        last = whole[-1] if whole else None
        per_second = (last.succeeded + last.failed + last.cancelled) / 10 if last else 0.0
        return Throughput(
            per_minute=succeeded + failed + cancelled,
            per_second=per_second,
            succeeded=succeeded,
            failed=failed,
            cancelled=cancelled,
        )

    def buckets(self, *, seconds: int, step: int) -> list[BucketView]:
        """What started and ended in each `step` seconds of the last `seconds`; empty intervals included."""
        now = self._reader.now() // 1_000_000
        since = (now - seconds) // step * step
        found = {b.at // 1_000_000: b for b in self._reader.buckets(since=since * 1_000_000, step=step)}
        views: list[BucketView] = []
        for at in range(since, now + 1, step):
            b = found.get(at)
            counts = (b.started, b.succeeded, b.failed, b.cancelled) if b else (0, 0, 0, 0)
            views.append(
                BucketView(
                    at=from_us(at * 1_000_000),
                    started=counts[0],
                    succeeded=counts[1],
                    failed=counts[2],
                    cancelled=counts[3],
                )
            )
        return views
