"""The figures are those of the stored rows, and charts have no gaps."""

from __future__ import annotations

from itertools import pairwise

from holdfast import Holdfast
from holdfast.core.states import State
from holdfast.storage.writes import (
    AcquireLease,
    AggregateEvents,
    RegisterWorker,
    ReleaseLease,
    Rescue,
)
from holdfast.testing import worker_row


def test_who_leads_the_clock(mixed: Holdfast) -> None:
    run = mixed.open().gateway.run
    assert mixed.client.figures.stats().scheduler is None
    run(AcquireLease("clock", "here:1:x", lease=60.0))
    assert mixed.client.figures.stats().scheduler == "here:1:x"
    run(ReleaseLease("clock", "here:1:x"))
    assert mixed.client.figures.stats().scheduler is None


def test_the_state_of_the_whole(mixed: Holdfast) -> None:
    run = mixed.open().gateway.run
    run(RegisterWorker(worker_row("dead"), lease=60.0))
    run(Rescue(["dead"]))
    run(AggregateEvents(1000))
    stats = mixed.client.figures.stats()
    assert set(stats.states) == set(State)
    assert sum(stats.states.values()) == 10
    assert (stats.workers, stats.workers_lost, stats.slots) == (1, 1, 10)
    default, mail = stats.queues["default"], stats.queues["mail"]
    assert (default.enqueued, default.processing, default.paused) == (3, 1, 1)
    assert (mail.scheduled, mail.oldest_wait) == (2, None)
    assert stats.oldest_wait == default.oldest_wait
    assert default.oldest_wait is not None
    assert 0 <= default.oldest_wait < 60
    rates = stats.throughput
    assert (rates.succeeded, rates.failed, rates.cancelled, rates.per_minute) == (1, 1, 1, 3)
    assert stats.seq == mixed.open().store.last_event() > 0


def test_an_empty_store_waits_for_nothing(app: Holdfast) -> None:
    stats = app.client.figures.stats()
    assert (stats.oldest_wait, stats.workers, stats.slots, stats.seq) == (None, 0, 0, 0)
    assert (stats.throughput.per_minute, stats.throughput.per_second) == (0, 0)


def test_buckets_have_no_holes(mixed: Holdfast) -> None:
    mixed.open().gateway.run(AggregateEvents(1000))
    views = mixed.client.figures.buckets(seconds=600, step=60)
    assert len(views) == 11
    assert {(b.at - a.at).total_seconds() for a, b in pairwise(views)} == {60}
    assert all(view.at.second == 0 for view in views)
    assert sum(view.started for view in views) == 3
    assert sum(view.succeeded for view in views) == 1
    assert sum(view.failed for view in views) == 1
    assert sum(view.cancelled for view in views) == 1
    assert (views[0].started, views[0].succeeded) == (0, 0)
