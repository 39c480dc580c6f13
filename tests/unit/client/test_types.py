"""Job types of this program and of others are listed together."""

from __future__ import annotations

import pytest

from holdfast import Holdfast
from holdfast.core.errors import NotFound
from tests.unit.client.hand import Hand


def test_types_of_here_and_from_elsewhere(shop: Holdfast) -> None:
    Hand(shop)
    work = shop.client.types.get("work")
    assert (work.doc, work.signature, work.executor, work.workers) == (
        "Do it.",
        "work(n: int = 0)",
        "thread",
        1,
    )
    send = shop.client.types.get("send")
    assert (send.queue, send.priority, send.timeout, send.max_attempts) == ("mail", 3, 60.0, 5)
    assert send.executor == "loop"
    assert [view.name for view in shop.client.types.all()] == ["send", "work"]
    with pytest.raises(NotFound, match="'play'"):
        shop.client.types.get("play")
