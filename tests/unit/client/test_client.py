"""The client's parts, and who acts through them."""

from __future__ import annotations

from holdfast import Holdfast
from holdfast.core.commands import Action
from holdfast.core.principal import Principal

ANN = Principal("ann", origin="desk")


def test_every_write_records_who_acts(shop: Holdfast) -> None:
    ann = shop.client.acting_as(ANN)
    first, second, third = ann.jobs.enqueue_many("work", [{}, {}, {}])
    assert (first.view.actor, first.view.origin) == ("ann", "desk")
    ann.jobs.act(first.id, Action.PAUSE)
    first.resume()
    assert ann.jobs.act_on([second.id], Action.PAUSE) == [None]
    ann.jobs.handle(third.id).cancel()
    ann.queues.pause("mail")
    assert [row.actor for row in ann.jobs.history(first.id)] == ["ann"] * 3
    assert [ann.jobs.get(job.id).actor for job in (second, third)] == ["ann", "ann"]
    assert ann.queues.get("mail").paused_by == "ann"


def test_acting_as_one_leaves_the_client_as_it_was(shop: Holdfast) -> None:
    ann = shop.client.acting_as(ANN)
    ben = ann.acting_as(Principal("ben"))
    handle = shop.enqueue("work")
    handle.pause()
    assert (handle.view.actor, handle.view.origin) == (None, None)
    assert ben.jobs.act(handle.id, Action.RESUME).actor == "ben"
    assert ann.jobs.act(handle.id, Action.PAUSE).actor == "ann"
    shop.client.queues.pause("mail")
    assert shop.client.queues.get("mail").paused_by is None


def test_a_search_for_my_own_jobs_means_who_acts(mixed: Holdfast) -> None:
    jobs = mixed.client.acting_as(ANN).jobs
    assert jobs.count(jobs.query("owner:me")).count == 3
