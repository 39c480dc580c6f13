"""What can be asked of one job and one queue is answered from the store, and unknown things are said to be unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from holdfast import Holdfast
from holdfast.core.commands import Action
from holdfast.core.errors import InvalidInput, NotFound
from holdfast.core.outcome import LogLine, Report
from holdfast.core.states import Verb
from holdfast.storage.topics import Topic
from holdfast.storage.writes import StoreReports
from tests.unit.client.hand import Hand


@pytest.fixture
def app(app: Holdfast) -> Holdfast:
    @app.job()
    def work() -> None: ...

    return app


def test_the_history_is_told_in_order(app: Holdfast) -> None:
    handle = app.enqueue("work")
    handle.pause("lunch").resume()
    hand = Hand(app)
    claimed = hand.start()
    app.client.act(handle.id, Action.CANCEL, actor="ann")
    hand.end(claimed, Verb.STOP)
    rows = app.client.history(handle.id)
    assert [(row.kind, row.state) for row in rows] == [
        ("state", "enqueued"),
        ("state", "paused"),
        ("state", "enqueued"),
        ("state", "processing"),
        ("request", "cancel"),
        ("state", "cancelled"),
    ]
    assert rows[1].reason == "lunch"
    assert (rows[3].worker, rows[4].actor) == ("hand", "ann")
    assert [row.at for row in rows] == sorted(row.at for row in rows)


def test_console_lines_are_read_on_from_the_last(app: Holdfast) -> None:
    handle, hand = app.enqueue("work"), Hand(app)
    assert app.client.logs(handle.id).next_after == 0
    claimed = hand.start()
    lines = tuple(LogLine(n, "info", f"line {n}", json.dumps({"n": n}) if n else None) for n in range(5))
    app.open().gateway.run(StoreReports([Report(claimed.seq, claimed.token, logs=lines)]))
    page = app.client.logs(handle.id, limit=3)
    assert [line.message for line in page.items] == ["line 0", "line 1", "line 2"]
    assert [line.fields for line in page.items] == [None, {"n": 1}, {"n": 2}]
    rest = app.client.logs(handle.id, after=page.next_after)
    assert [line.message for line in rest.items] == ["line 3", "line 4"]
    assert app.client.logs(handle.id, after=rest.next_after).next_after == rest.next_after
    assert [line.message for line in app.client.logs(handle.id, after=-2).items] == ["line 3", "line 4"]


def test_the_saved_state_and_the_progress(app: Holdfast) -> None:
    handle, hand = app.enqueue("work"), Hand(app)
    assert app.client.saved_state(handle.id) is None
    claimed = hand.start()
    saved = json.dumps({"state": {"page": 3}, "positions": {"rows": 7}}, ensure_ascii=False)
    progress = json.dumps({"done": 3, "total": 9, "message": "ü"})
    app.open().gateway.run(StoreReports([Report(claimed.seq, claimed.token, progress, saved)]))
    found = app.client.saved_state(handle.id)
    assert found is not None
    assert (found.state, found.positions, found.steps) == ({"page": 3}, {"rows": 7}, {})
    assert (found.count, found.bytes) == (1, len(saved.encode()))
    view = handle.refresh().view
    assert view.progress is not None
    assert (view.progress.done, view.progress.total, view.progress.message) == (3, 9, "ü")
    assert view.has_saved_state


def test_what_never_was_is_not_found(app: Holdfast) -> None:
    client = app.client
    asks: list[Callable[[str], Any]] = [
        client.job,
        client.handle,
        client.history,
        client.logs,
        client.saved_state,
        client.delete,
    ]
    for ask in asks:
        with pytest.raises(NotFound):
            ask("00000000-0000-7000-8000-000000000000")


def test_a_paused_queue_gives_nothing_out(app: Holdfast) -> None:
    app.enqueue("work")
    hand = Hand(app)
    for _ in range(2):
        app.client.pause_queue("default", reason="lunch", actor="ann")
    (queue,) = app.overview.queues()
    assert (queue.state, queue.paused_reason, queue.paused_by, queue.enqueued) == (
        "paused",
        "lunch",
        "ann",
        1,
    )
    assert hand.claim() == []
    for _ in range(2):
        app.client.resume_queue("default")
    assert app.overview.queues()[0].state == "open"
    assert len(hand.claim()) == 1
    with pytest.raises(InvalidInput):
        app.client.pause_queue("")


def test_a_listener_hears_of_a_commit(app: Holdfast) -> None:
    with app.client.listen((Topic.EVENTS,)) as listener:
        app.enqueue("work")
        assert listener.wait(10)


def test_none_to_insert_is_none(app: Holdfast) -> None:
    assert app.client.insert([]) == []
