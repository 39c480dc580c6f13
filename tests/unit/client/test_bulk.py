"""An action on all jobs that match does what its dry run has counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from holdfast import Holdfast
from holdfast.client import bulk
from holdfast.core.commands import Action
from holdfast.core.principal import Principal
from holdfast.core.query import MAX_TERMS
from holdfast.core.states import Verb
from tests.unit.client.hand import Hand


def test_a_dry_run_says_what_would_be_done_and_does_nothing(mixed: Holdfast) -> None:
    client = mixed.client
    seq = client.figures.stats().seq
    view = client.jobs.act_on_all(Action.CANCEL, client.jobs.query(""), dry_run=True)
    assert (view.action, view.dry_run, view.matched, view.fits) == ("cancel", True, 10, 7)
    assert (view.done, view.refused) == (0, 0)
    assert view.by_state["succeeded"] == 1
    assert client.figures.stats().seq == seq


@pytest.mark.parametrize("page", [200, 2])
def test_an_action_on_all_that_match(mixed: Holdfast, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(bulk, "MAX_BATCH", page)
    client, progress = mixed.client, list[tuple[int, int]]()
    query = client.jobs.query("type:work")
    dry = client.jobs.act_on_all(Action.CANCEL, query, dry_run=True)
    view = client.acting_as(Principal("ann")).jobs.act_on_all(
        Action.CANCEL, query, reason="stop", on_progress=lambda *so_far: progress.append(so_far)
    )
    assert (view.matched, view.fits) == (dry.matched, dry.fits) == (8, 5)
    assert (view.done, view.refused) == (5, 0)
    assert progress[-1] == (5, 0)
    assert len(progress) == (1 if page == 200 else 3)
    page_of_ended = client.jobs.search(client.jobs.query("state:cancelled reason:stop"))
    assert {job.actor for job in page_of_ended.items} == {"ann"}
    assert len(page_of_ended.items) == 4  # the running one is only asked
    assert client.figures.stats().states["scheduled"] == 2  # of another type


def test_what_its_dry_run_has_counted_is_not_counted_again(
    mixed: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mixed.client
    query = client.jobs.query("type:work")
    dry = client.jobs.act_on_all(Action.CANCEL, query, dry_run=True)
    mixed.enqueue("work")
    counts = list[object]()
    count = mixed.open().store.count
    monkeypatch.setattr(
        mixed.open().store, "count", lambda *args, **kw: counts.append(args) or count(*args, **kw)
    )
    view = client.jobs.act_on_all(Action.CANCEL, query, counted=dry)
    assert counts == []
    assert (view.dry_run, view.matched, view.fits, view.done) == (False, 8, 5, 6)
    assert (dry.dry_run, dry.done) == (True, 0)


def test_an_action_on_one_state_counts_that_state_only(mixed: Holdfast) -> None:
    client = mixed.client
    view = client.jobs.act_on_all(Action.PAUSE, client.jobs.query("state:enqueued,failed"))
    assert (view.by_state, view.matched, view.fits, view.done) == ({"enqueued": 3, "failed": 1}, 4, 3, 3)


def test_ended_jobs_are_deleted_together(mixed: Holdfast) -> None:
    client = mixed.client
    view = client.jobs.act_on_all(Action.DELETE, client.jobs.query(""))
    assert (view.fits, view.done) == (3, 3)
    assert sum(client.figures.stats().states.values()) == 7


def test_a_job_that_changes_meanwhile_is_refused_and_the_others_are_changed(
    mixed: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_BATCH", 3)
    client = mixed.client
    query = client.jobs.query("state:enqueued")
    first, *_ = client.jobs.search(query, sort="created").items
    search = mixed.open().store.search

    def look_then_lose(*args: object, **kwargs: object) -> object:
        page = search(*args, **kwargs)  # type: ignore[arg-type]
        if mixed.client.jobs.get(first.id).state == "enqueued":
            mixed.handle(first.id).cancel()
        return page

    monkeypatch.setattr(mixed.open().store, "search", look_then_lose)
    view = client.jobs.act_on_all(Action.PAUSE, query)
    assert (view.done, view.refused) == (2, 1)
    [(why, count)] = view.reasons.items()
    assert (why.partition(";")[0], count) == ("The job is cancelled", 1)
    assert [(one.id, one.reason) for one in view.refusals] == [(first.id, why)]


def test_of_many_refused_all_are_counted_and_the_first_are_named(
    mixed: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_REFUSALS", 1)
    client = mixed.client
    monkeypatch.setattr(mixed.client.jobs, "act_on", lambda ids, *_, **__: ["no"] * len(ids))
    view = client.jobs.act_on_all(Action.PAUSE, client.jobs.query("state:enqueued"))
    assert (view.done, view.refused, view.reasons, len(view.refusals)) == (0, 3, {"no": 3}, 1)


def test_a_batch_is_one_transaction(mixed: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    client, store = mixed.client, mixed.open().store
    transactions, transaction = list[None](), store.transaction

    def counted(**options: bool) -> object:
        transactions.append(None)
        return transaction(**options)

    monkeypatch.setattr(store, "transaction", counted)
    assert client.jobs.act_on_all(Action.CANCEL, client.jobs.query("type:work")).done == 5
    assert len(transactions) == 1


def test_what_hears_of_the_pages_can_end_the_work(mixed: Holdfast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_BATCH", 1)

    def enough(done: int, refused: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mixed.client.jobs.act_on_all(
            Action.PAUSE, mixed.client.jobs.query("state:enqueued"), on_progress=enough
        )
    assert mixed.client.figures.stats().states["enqueued"] == 2


def test_an_action_on_my_own_jobs(mixed: Holdfast) -> None:
    jobs = mixed.client.acting_as(Principal("ann")).jobs
    view = jobs.act_on_all(Action.PAUSE, jobs.query("owner:me"))
    assert (view.matched, view.done) == (3, 3)


def test_waiting_for_a_retry_is_not_waiting_for_its_time(mixed: Holdfast) -> None:
    """Both are scheduled; only the first is asked for."""
    hand, client = Hand(mixed), mixed.client
    now = mixed.open().store.now()
    hand.end(hand.start(), Verb.RETRY_LATER, reason="retry", run_at=now + 3_600_000_000)
    query = client.jobs.query("state:retrying")
    assert client.jobs.count(query).count == 1
    view = client.jobs.act_on_all(Action.CANCEL, query)
    assert (view.by_state, view.matched, view.fits, view.done) == ({"scheduled": 1}, 1, 1, 1)


def test_a_search_of_full_length_can_be_acted_on(mixed: Holdfast) -> None:
    text = "owner:ann " + " ".join(f"-tag:t{n}" for n in range(MAX_TERMS - 1))
    view = mixed.client.jobs.act_on_all(Action.PAUSE, mixed.client.jobs.query(text))
    assert (view.matched, view.done) == (3, 3)


def test_an_action_means_the_clock_of_the_one_who_asks(mixed: Holdfast) -> None:
    """An hour ago in UTC is far in the future where it is fourteen hours earlier."""
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    client, west = mixed.client, timezone(timedelta(hours=-14))
    for zone, matched in ((UTC, 0), (west, 10)):
        query = client.jobs.query(f"created:<{hour_ago}", zone=zone)
        assert client.jobs.act_on_all(Action.PAUSE, query, dry_run=True).matched == matched
