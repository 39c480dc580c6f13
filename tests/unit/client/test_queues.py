"""Queues are paused and resumed, and show which workers serve them."""

from __future__ import annotations

import pytest

from holdfast import Holdfast
from holdfast.core.errors import InvalidInput
from holdfast.core.principal import Principal
from holdfast.storage.writes import (
    RegisterWorker,
)
from holdfast.testing import worker_row
from tests.unit.client.hand import Hand


def test_a_paused_queue_gives_nothing_out(shop: Holdfast) -> None:
    shop.enqueue("work")
    hand = Hand(shop)
    for _ in range(2):
        shop.client.acting_as(Principal("ann")).queues.pause("default", reason="lunch")
    (queue,) = shop.client.queues.all()
    assert (queue.state, queue.paused_reason, queue.paused_by, queue.enqueued) == (
        "paused",
        "lunch",
        "ann",
        1,
    )
    assert hand.claim() == []
    for _ in range(2):
        shop.client.queues.resume("default")
    assert shop.client.queues.all()[0].state == "open"
    assert len(hand.claim()) == 1
    with pytest.raises(InvalidInput):
        shop.client.queues.pause("")


def test_workers_are_counted_for_the_queues_they_serve(mixed: Holdfast) -> None:
    run = mixed.open().gateway.run
    run(RegisterWorker(worker_row("mailer", queues=("mail",), slots=3), lease=60.0))
    queues = {queue.name: queue for queue in mixed.client.queues.all()}
    assert mixed.client.queues.count() == len(queues) == 2
    assert (queues["default"].workers, queues["mail"].workers) == (1, 2)
    assert {worker.id: worker.queues for worker in mixed.client.workers.all()} == {
        "hand": [],
        "mailer": ["mail"],
    }
