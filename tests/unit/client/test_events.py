"""Committed changes wake listeners and are read in their order."""

from __future__ import annotations

from holdfast import Holdfast
from holdfast.storage.topics import Topic


def test_a_listener_hears_of_a_commit(shop: Holdfast) -> None:
    with shop.client.events.listen((Topic.EVENTS,)) as listener:
        shop.enqueue("work")
        assert listener.wait(10)


def test_events_are_read_after_a_number(shop: Holdfast) -> None:
    events = shop.client.events
    assert events.last() == 0
    first, second = (shop.enqueue("work").id for _ in range(2))
    seen = events.last()
    shop.handle(first).pause()
    assert [event.job for event in events.read(after=0, limit=2)] == [first, second]
    assert [(event.job, event.state) for event in events.read(after=seen, limit=10)] == [(first, "paused")]
    assert events.changed_jobs(after=seen, ids=[first, second]) == {first}
    assert events.oldest() <= seen < events.last()
