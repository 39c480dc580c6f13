from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.core.states import Verb
from tests.unit.client.hand import Hand


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Holdfast]:
    """An app without job types, on a store of its own."""
    app = Holdfast(data_dir=str(tmp_path))
    yield app
    app.close()


@pytest.fixture
def shop(app: Holdfast) -> Holdfast:
    """The app with two job types."""

    @app.job()
    def work(n: int = 0) -> None:
        """Do it."""

    @app.job(queue="mail", priority=3, timeout="1m", retries=4)
    async def send() -> None: ...

    return app


@pytest.fixture
def mixed(shop: Holdfast) -> Holdfast:
    """Three enqueued, two scheduled, one each paused, cancelled, processing, succeeded and failed."""
    hand = Hand(shop)
    for verb in (Verb.SUCCEED, Verb.FAIL, None):
        shop.enqueue("work")
        claimed = hand.start()
        if verb:
            hand.end(claimed, verb)
    shop.enqueue_many("work", [{"n": n} for n in range(3)], owner="ann")
    shop.enqueue_many("send", [{}, {}], delay="1h", tags=["late"])
    shop.enqueue("work").pause()
    shop.enqueue("work").cancel()
    return shop
