"""What is said of many jobs at once is what is true of each, and an action on many does what its dry run said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from holdfast import Holdfast
from holdfast.client import overview as module
from holdfast.core.commands import Action
from holdfast.core.errors import Conflict, InvalidInput, InvalidQuery, NotFound
from holdfast.core.query import MAX_TERMS
from holdfast.core.states import State, Verb
from holdfast.storage.writes import AcquireLease, AggregateEvents, RegisterWorker, ReleaseLease, Rescue
from holdfast.testing import worker_row
from tests.unit.client.hand import Hand


@pytest.fixture
def app(app: Holdfast) -> Holdfast:
    @app.job()
    def work(n: int = 0) -> None:
        """Do it."""

    @app.job(queue="mail", priority=3, timeout="1m", retries=4)
    async def send() -> None: ...

    return app


@pytest.fixture
def mixed(app: Holdfast) -> Holdfast:
    """Three enqueued, two scheduled, one each paused, cancelled, processing, succeeded and failed."""
    hand = Hand(app)
    for verb in (Verb.SUCCEED, Verb.FAIL, None):
        app.enqueue("work")
        claimed = hand.start()
        if verb:
            hand.end(claimed, verb)
    app.enqueue_many("work", [{"n": n} for n in range(3)], owner="ann")
    app.enqueue_many("send", [{}, {}], delay="1h", tags=["late"])
    app.enqueue("work").pause()
    app.enqueue("work").cancel()
    return app


def test_counts_by_state(mixed: Holdfast) -> None:
    overview = mixed.overview
    counts = {s: c.count for s, c in overview.count_by_state(overview.query("")).items() if c.count}
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
    narrowed = overview.count_by_state(overview.query("state:failed owner:ann"))
    assert {s: c.count for s, c in narrowed.items() if c.count} == {"enqueued": 3}
    assert set(narrowed) == {*State, "retrying"}
    assert overview.count(overview.query("state:scheduled")).count == 2


def test_a_count_stops_at_the_cap(mixed: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAP", 2)
    count = mixed.overview.count(mixed.overview.query("state:enqueued"))
    assert (count.count, count.capped) == (2, True)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(mixed: Holdfast) -> None:
    overview = mixed.overview
    seq = overview.stats().seq
    view = overview.act_on_all(Action.CANCEL, overview.query(""), dry_run=True)
    assert (view.action, view.dry_run, view.matched, view.fits) == ("cancel", True, 10, 7)
    assert (view.done, view.refused) == (0, 0)
    assert view.by_state["succeeded"] == 1
    assert overview.stats().seq == seq


@pytest.mark.parametrize("page", [200, 2])
def test_an_action_on_all_that_match(mixed: Holdfast, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(module, "BULK_AT_ONCE", page)
    overview, told = mixed.overview, list[tuple[int, int]]()
    query = overview.query("type:work")
    dry = overview.act_on_all(Action.CANCEL, query, dry_run=True)
    view = overview.act_on_all(
        Action.CANCEL, query, reason="stop", actor="ann", told=lambda *so_far: told.append(so_far)
    )
    assert (view.matched, view.fits) == (dry.matched, dry.fits) == (8, 5)
    assert (view.done, view.refused) == (5, 0)
    assert told[-1] == (5, 0)
    assert len(told) == (1 if page == 200 else 3)
    page_of_ended = overview.search(overview.query("state:cancelled reason:stop"))
    assert {job.actor for job in page_of_ended.items} == {"ann"}
    assert len(page_of_ended.items) == 4  # the running one is only asked
    assert overview.stats().states["scheduled"] == 2  # of another type


def test_what_its_dry_run_has_counted_is_not_counted_again(
    mixed: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    overview = mixed.overview
    query = overview.query("type:work")
    dry = overview.act_on_all(Action.CANCEL, query, dry_run=True)
    mixed.enqueue("work")
    counts = list[object]()
    count = overview._reader.count
    monkeypatch.setattr(
        overview._reader, "count", lambda *args, **kw: counts.append(args) or count(*args, **kw)
    )
    view = overview.act_on_all(Action.CANCEL, query, counted=dry)
    assert counts == []
    assert (view.dry_run, view.matched, view.fits, view.done) == (False, 8, 5, 6)
    assert (dry.dry_run, dry.done) == (True, 0)


def test_an_action_on_one_state_counts_that_state_only(mixed: Holdfast) -> None:
    overview = mixed.overview
    view = overview.act_on_all(Action.PAUSE, overview.query("state:enqueued,failed"))
    assert (view.by_state, view.matched, view.fits, view.done) == ({"enqueued": 3, "failed": 1}, 4, 3, 3)


def test_ended_jobs_are_deleted_together(mixed: Holdfast) -> None:
    overview = mixed.overview
    view = overview.act_on_all(Action.DELETE, overview.query(""))
    assert (view.fits, view.done) == (3, 3)
    assert sum(overview.stats().states.values()) == 7


def test_a_job_that_changes_meanwhile_is_refused_and_stops_nobody(
    mixed: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BULK_AT_ONCE", 3)
    overview = mixed.overview
    query = overview.query("state:enqueued")
    first, *_ = overview.search(query, sort="created").items
    search = overview._reader.search

    def look_then_lose(*args: object, **kwargs: object) -> object:
        page = search(*args, **kwargs)  # type: ignore[arg-type]
        if mixed.client.job(first.id).state == "enqueued":
            mixed.handle(first.id).cancel()
        return page

    monkeypatch.setattr(overview._reader, "search", look_then_lose)
    view = overview.act_on_all(Action.PAUSE, query)
    assert (view.done, view.refused) == (2, 1)
    [(why, count)] = view.reasons.items()
    assert (why.partition(";")[0], count) == ("The job is cancelled", 1)
    assert [(one.id, one.reason) for one in view.refusals] == [(first.id, why)]


def test_of_many_refused_all_are_counted_and_the_first_are_named(
    mixed: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REFUSALS", 1)
    overview = mixed.overview
    monkeypatch.setattr(mixed.client, "act_on", lambda ids, *_, **__: ["no"] * len(ids))
    view = overview.act_on_all(Action.PAUSE, overview.query("state:enqueued"))
    assert (view.done, view.refused, view.reasons, len(view.refusals)) == (0, 3, {"no": 3}, 1)


def test_a_batch_is_one_transaction(mixed: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    overview, store = mixed.overview, mixed.open().store
    transactions, transaction = list[None](), store.transaction

    def counted(**options: bool) -> object:
        transactions.append(None)
        return transaction(**options)

    monkeypatch.setattr(store, "transaction", counted)
    assert overview.act_on_all(Action.CANCEL, overview.query("type:work")).done == 5
    assert len(transactions) == 1


def test_what_hears_of_the_pages_can_end_the_work(mixed: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BULK_AT_ONCE", 1)

    def enough(done: int, refused: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mixed.overview.act_on_all(Action.PAUSE, mixed.overview.query("state:enqueued"), told=enough)
    assert mixed.overview.stats().states["enqueued"] == 2


def test_an_action_on_my_own_jobs(mixed: Holdfast) -> None:
    query = mixed.overview.query("owner:me", me="ann")
    view = mixed.overview.act_on_all(Action.PAUSE, query)
    assert (view.matched, view.done) == (3, 3)


def test_waiting_for_a_retry_is_not_waiting_for_its_time(mixed: Holdfast) -> None:
    """Both are scheduled; only the first is asked for."""
    hand, overview = Hand(mixed), mixed.overview
    now = mixed.open().store.now()
    hand.end(hand.start(), Verb.RETRY_LATER, reason="retry", run_at=now + 3_600_000_000)
    query = overview.query("state:retrying")
    assert overview.count(query).count == 1
    view = overview.act_on_all(Action.CANCEL, query)
    assert (view.by_state, view.matched, view.fits, view.done) == ({"scheduled": 1}, 1, 1, 1)


def test_a_search_of_full_length_can_be_acted_on(mixed: Holdfast) -> None:
    text = "owner:ann " + " ".join(f"-tag:t{n}" for n in range(MAX_TERMS - 1))
    view = mixed.overview.act_on_all(Action.PAUSE, mixed.overview.query(text))
    assert (view.matched, view.done) == (3, 3)


def test_an_action_means_the_clock_of_the_one_who_asks(mixed: Holdfast) -> None:
    """An hour ago by the clock of Greenwich is far in the future where it is fourteen hours earlier."""
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    overview, west = mixed.overview, timezone(timedelta(hours=-14))
    for zone, matched in ((UTC, 0), (west, 10)):
        query = overview.query(f"created:<{hour_ago}", zone=zone)
        assert overview.act_on_all(Action.PAUSE, query, dry_run=True).matched == matched


def test_pages_lead_on_and_back(mixed: Holdfast) -> None:
    overview = mixed.overview
    query = overview.query("")
    pages, cursor = list[list[str]](), None
    while True:
        page = overview.search(query, sort="created", limit=4, cursor=cursor)
        pages.append([job.id for job in page.items])
        if (cursor := page.next_cursor) is None:
            break
    assert [len(ids) for ids in pages] == [4, 4, 2]
    assert len({job for ids in pages for job in ids}) == 10
    back = overview.search(query, sort="created", limit=4, cursor=page.previous_cursor)
    assert [job.id for job in back.items] == pages[1]


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_has_bounds(app: Holdfast, limit: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        app.overview.search(app.overview.query(""), limit=limit)
    assert caught.value.problems[0].loc == ("limit",)


def test_a_sort_or_cursor_that_cannot_be(app: Holdfast) -> None:
    with pytest.raises(InvalidInput):
        app.overview.search(app.overview.query(""), sort="colour")
    with pytest.raises(InvalidInput):
        app.overview.search(app.overview.query(""), cursor="made-up")


def test_given_jobs_that_exist_and_match(mixed: Holdfast) -> None:
    overview = mixed.overview
    ids = [job.id for job in overview.search(overview.query("owner:ann")).items]
    mixed.handle(ids[0]).cancel()
    assert {job.id for job in overview.jobs([*ids, "gone"])} == set(ids)
    assert {job.id for job in overview.jobs(ids, overview.query("state:enqueued"))} == set(ids[1:])


def test_a_query_that_cannot_be_read_says_where(app: Holdfast) -> None:
    with pytest.raises(InvalidQuery, match="state") as caught:
        app.overview.query("owner:ann stat:failed")
    (problem,) = caught.value.problems
    assert problem.loc == ("q", 10, 14)


def test_types_of_here_and_from_elsewhere(app: Holdfast) -> None:
    Hand(app)
    work = app.overview.type("work")
    assert (work.doc, work.signature, work.executor, work.workers) == (
        "Do it.",
        "work(n: int = 0)",
        "thread",
        1,
    )
    send = app.overview.type("send")
    assert (send.queue, send.priority, send.timeout, send.max_attempts) == ("mail", 3, 60.0, 5)
    assert send.executor == "loop"
    assert [view.name for view in app.overview.types()] == ["send", "work"]
    with pytest.raises(NotFound, match="'play'"):
        app.overview.type("play")


def test_workers_are_counted_for_the_queues_they_serve(mixed: Holdfast) -> None:
    run = mixed.open().gateway.run
    run(RegisterWorker(worker_row("mailer", queues=("mail",), slots=3), lease=60.0))
    queues = {queue.name: queue for queue in mixed.overview.queues()}
    assert (queues["default"].workers, queues["mail"].workers) == (1, 2)
    assert {worker.id: worker.queues for worker in mixed.overview.workers()} == {
        "hand": [],
        "mailer": ["mail"],
    }


def test_a_worker_that_drains_serves_nothing_more(mixed: Holdfast) -> None:
    run = mixed.open().gateway.run
    run(RegisterWorker(worker_row("mailer", queues=("mail",), types=("odd",)), lease=60.0))
    drained = mixed.overview.drain_worker("mailer")
    assert (drained.id, drained.state) == ("mailer", "draining")
    assert mixed.overview.drain_worker("mailer") == drained
    assert {queue.name: queue.workers for queue in mixed.overview.queues()} == {"default": 1, "mail": 1}
    assert mixed.overview.stats().workers == 2, "it is alive all the same"
    with pytest.raises(NotFound, match="no worker 'nobody'"):
        mixed.overview.drain_worker("nobody")
    run(Rescue(["mailer"]))
    with pytest.raises(Conflict, match="lost"):
        mixed.overview.drain_worker("mailer")


def test_who_leads_the_clock(mixed: Holdfast) -> None:
    run = mixed.open().gateway.run
    assert mixed.overview.stats().scheduler is None
    run(AcquireLease("clock", "here:1:x", lease=60.0))
    assert mixed.overview.stats().scheduler == "here:1:x"
    run(ReleaseLease("clock", "here:1:x"))
    assert mixed.overview.stats().scheduler is None


def test_the_state_of_the_whole(mixed: Holdfast) -> None:
    run = mixed.open().gateway.run
    run(RegisterWorker(worker_row("dead"), lease=60.0))
    run(Rescue(["dead"]))
    run(AggregateEvents(1000))
    stats = mixed.overview.stats()
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
    stats = app.overview.stats()
    assert (stats.oldest_wait, stats.workers, stats.slots, stats.seq) == (None, 0, 0, 0)
    assert (stats.throughput.per_minute, stats.throughput.per_second) == (0, 0)


def test_buckets_have_no_holes(mixed: Holdfast) -> None:
    mixed.open().gateway.run(AggregateEvents(1000))
    views = mixed.overview.buckets(seconds=600, step=60)
    assert len(views) == 11
    assert {(b.at - a.at).total_seconds() for a, b in pairwise(views)} == {60}
    assert all(view.at.second == 0 for view in views)
    assert sum(view.started for view in views) == 3
    assert sum(view.succeeded for view in views) == 1
    assert sum(view.failed for view in views) == 1
    assert sum(view.cancelled for view in views) == 1
    assert (views[0].started, views[0].succeeded) == (0, 0)
