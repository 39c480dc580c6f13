"""A worker that drains stays alive and serves no queue."""

from __future__ import annotations

import pytest

from holdfast import Holdfast
from holdfast.core.errors import Conflict, NotFound
from holdfast.storage.writes import (
    RegisterWorker,
    Rescue,
)
from holdfast.testing import worker_row


def test_a_worker_that_drains_serves_nothing_more(mixed: Holdfast) -> None:
    run = mixed.open().gateway.run
    run(RegisterWorker(worker_row("mailer", queues=("mail",), types=("odd",)), lease=60.0))
    drained = mixed.client.workers.drain("mailer")
    assert (drained.id, drained.state) == ("mailer", "draining")
    assert mixed.client.workers.drain("mailer") == drained
    assert {queue.name: queue.workers for queue in mixed.client.queues.all()} == {"default": 1, "mail": 1}
    assert mixed.client.figures.stats().workers == 2, "it is alive all the same"
    with pytest.raises(NotFound, match="no worker 'unknown'"):
        mixed.client.workers.drain("unknown")
    run(Rescue(["mailer"]))
    with pytest.raises(Conflict, match="lost"):
        mixed.client.workers.drain("mailer")
