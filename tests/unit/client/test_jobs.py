"""Jobs are read, searched and counted; a job that does not exist is not found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from holdfast import Holdfast
from holdfast.client import jobs as module
from holdfast.core.commands import Action
from holdfast.core.errors import InvalidInput, InvalidQuery, NotFound
from holdfast.core.outcome import LogLine, Report
from holdfast.core.principal import Principal
from holdfast.core.states import State, Verb
from holdfast.storage.writes import (
    StoreReports,
)
from tests.unit.client.hand import Hand


def test_the_history_is_in_order(shop: Holdfast) -> None:
    handle = shop.enqueue("work")
    handle.pause("lunch").resume()
    hand = Hand(shop)
    claimed = hand.start()
    shop.client.acting_as(Principal("ann")).jobs.act(handle.id, Action.CANCEL)
    hand.end(claimed, Verb.STOP)
    rows = shop.client.jobs.history(handle.id)
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


def test_console_lines_are_read_on_from_the_last(shop: Holdfast) -> None:
    handle, hand = shop.enqueue("work"), Hand(shop)
    assert shop.client.jobs.logs(handle.id).next_after == 0
    claimed = hand.start()
    lines = tuple(LogLine(n, "info", f"line {n}", json.dumps({"n": n}) if n else None) for n in range(5))
    shop.open().gateway.run(StoreReports([Report(claimed.seq, claimed.token, logs=lines)]))
    page = shop.client.jobs.logs(handle.id, limit=3)
    assert [line.message for line in page.items] == ["line 0", "line 1", "line 2"]
    assert [line.fields for line in page.items] == [None, {"n": 1}, {"n": 2}]
    rest = shop.client.jobs.logs(handle.id, after=page.next_after)
    assert [line.message for line in rest.items] == ["line 3", "line 4"]
    assert shop.client.jobs.logs(handle.id, after=rest.next_after).next_after == rest.next_after
    assert [line.message for line in shop.client.jobs.logs(handle.id, after=-2).items] == ["line 3", "line 4"]


def test_the_saved_state_and_the_progress(shop: Holdfast) -> None:
    handle, hand = shop.enqueue("work"), Hand(shop)
    assert shop.client.jobs.saved_state(handle.id) is None
    claimed = hand.start()
    saved = json.dumps({"state": {"page": 3}, "positions": {"rows": 7}}, ensure_ascii=False)
    progress = json.dumps({"done": 3, "total": 9, "message": "ü"})
    shop.open().gateway.run(StoreReports([Report(claimed.seq, claimed.token, progress, saved)]))
    found = shop.client.jobs.saved_state(handle.id)
    assert found is not None
    assert (found.state, found.positions, found.steps) == ({"page": 3}, {"rows": 7}, {})
    assert (found.count, found.bytes) == (1, len(saved.encode()))
    view = handle.refresh().view
    assert view.progress is not None
    assert (view.progress.done, view.progress.total, view.progress.message) == (3, 9, "ü")
    assert view.has_saved_state


def test_what_never_was_is_not_found(shop: Holdfast) -> None:
    jobs = shop.client.jobs
    asks: list[Callable[[str], Any]] = [
        jobs.get,
        jobs.handle,
        jobs.history,
        jobs.logs,
        jobs.saved_state,
        jobs.delete,
    ]
    for ask in asks:
        with pytest.raises(NotFound):
            ask("00000000-0000-7000-8000-000000000000")


def test_none_to_insert_is_none(shop: Holdfast) -> None:
    assert shop.client.jobs.insert([]) == []


def test_counts_by_state(mixed: Holdfast) -> None:
    client = mixed.client
    counts = {s: c.count for s, c in client.jobs.count_by_state(client.jobs.query("")).items() if c.count}
    assert counts == {
        "enqueued": 3,
        "scheduled": 2,
        "paused": 1,
        "cancelled": 1,
        "processing": 1,
        "succeeded": 1,
        "failed": 1,
    }
    # whatever state the query asks for, but not whatever else
    narrowed = client.jobs.count_by_state(client.jobs.query("state:failed owner:ann"))
    assert {s: c.count for s, c in narrowed.items() if c.count} == {"enqueued": 3}
    assert set(narrowed) == {*State, "retrying"}
    assert client.jobs.count(client.jobs.query("state:scheduled")).count == 2


def test_a_count_stops_at_the_cap(mixed: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAP", 2)
    count = mixed.client.jobs.count(mixed.client.jobs.query("state:enqueued"))
    assert (count.count, count.capped) == (2, True)


def test_pages_lead_on_and_back(mixed: Holdfast) -> None:
    client = mixed.client
    query = client.jobs.query("")
    pages, cursor = list[list[str]](), None
    while True:
        page = client.jobs.search(query, sort="created", limit=4, cursor=cursor)
        pages.append([job.id for job in page.items])
        if (cursor := page.next_cursor) is None:
            break
    assert [len(ids) for ids in pages] == [4, 4, 2]
    assert len({job for ids in pages for job in ids}) == 10
    back = client.jobs.search(query, sort="created", limit=4, cursor=page.previous_cursor)
    assert [job.id for job in back.items] == pages[1]


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_has_bounds(app: Holdfast, limit: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.client.jobs.search(app.client.jobs.query(""), limit=limit)
    assert caught.value.problems[0].loc == ("limit",)


def test_a_sort_or_cursor_that_cannot_be(app: Holdfast) -> None:
    with pytest.raises(InvalidInput):
        app.client.jobs.search(app.client.jobs.query(""), sort="colour")
    with pytest.raises(InvalidInput):
        app.client.jobs.search(app.client.jobs.query(""), cursor="made-up")


def test_given_jobs_that_exist_and_match(mixed: Holdfast) -> None:
    client = mixed.client
    ids = [job.id for job in client.jobs.search(client.jobs.query("owner:ann")).items]
    mixed.handle(ids[0]).cancel()
    assert {job.id for job in client.jobs.get_many([*ids, "gone"])} == set(ids)
    assert {job.id for job in client.jobs.get_many(ids, client.jobs.query("state:enqueued"))} == set(ids[1:])


def test_a_query_that_cannot_be_read_says_where(app: Holdfast) -> None:
    with pytest.raises(InvalidQuery, match="state") as caught:
        app.client.jobs.query("owner:ann stat:failed")
    (problem,) = caught.value.problems
    assert problem.loc == ("q", 10, 14)
