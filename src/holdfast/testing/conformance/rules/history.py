"""Rules of history and feed: every change is reported once, in commit order, and a reader that resumes misses nothing."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from holdfast.core.commands import Action
from holdfast.core.outcome import LogLine
from holdfast.core.records import EventRecord
from holdfast.core.sizes import HISTORY_CLAIMS, MAX_HISTORY
from holdfast.core.states import State, Verb
from holdfast.storage.writes import PauseQueue
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import StoreDriver
from holdfast.testing.factories import new_job


def read_all(driver: StoreDriver, *, after: int = 0, limit: int = 3) -> list[EventRecord]:
    """Every event after `after`, in small pages."""
    events: list[EventRecord] = []
    while page := driver.store.events(after=after, limit=limit):
        events += page
        after = page[-1].seq
    return events


def _ended_at_its_last_change(driver: StoreDriver, job_id: str) -> None:
    job, last = driver.read(job_id), driver.store.history(job_id)[-1]
    assert job.finished_at == job.changed_at == last.at
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at


class HistoryRules(Rules):
    def test_each_change_once_in_order_with_who_and_why(self, driver: StoreDriver, clock: FakeClock) -> None:
        claimed = driver.start(actor="ann")
        clock.advance(1)
        driver.command(claimed.id, Action.PAUSE, actor="bob", reason="lunch")
        driver.end(claimed, Verb.SUSPEND)
        driver.command(claimed.id, Action.RESUME, actor="eve", reason="back")
        again = driver.again(claimed.id)
        driver.end(again, Verb.SUCCEED)
        reported = [
            (row.kind, row.state, row.reason, row.actor, row.attempt)
            for row in driver.store.history(claimed.id)
        ]
        assert reported == [
            ("state", "enqueued", None, "ann", 0),
            ("state", "processing", None, None, 1),
            ("request", "pause", "lunch", "bob", 1),
            ("state", "paused", "lunch", "bob", 1),
            ("state", "enqueued", "back", "eve", 1),
            ("state", "processing", None, None, 1),
            ("state", "succeeded", None, None, 1),
        ]
        rows = driver.store.history(claimed.id)
        assert [row.seq for row in rows] == sorted({row.seq for row in rows})
        assert rows[1].worker == rows[-1].worker == driver.worker
        assert (rows[0].at, rows[-1].at) == (clock() - 1_000_000, clock())

    def test_a_job_that_goes_round_and_round_keeps_its_first_and_newest_rows(
        self, driver: StoreDriver
    ) -> None:
        other, claimed = driver.start(), driver.start()
        of_other = driver.store.history(other.id)
        for _ in range(MAX_HISTORY // 2 + 2 * HISTORY_CLAIMS):
            driver.end(claimed, Verb.RELEASE)
            claimed = driver.again(claimed.id)
        history = driver.store.history(claimed.id)
        assert MAX_HISTORY < len(history) <= 1 + MAX_HISTORY + 2 * HISTORY_CLAIMS
        assert (history[0].state, history[0].attempt) == ("enqueued", 0)
        newest = [row.state for row in history[-MAX_HISTORY:]]
        assert newest == ["enqueued", "processing"] * (MAX_HISTORY // 2)
        assert [row.seq for row in history] == sorted(row.seq for row in history)
        assert driver.store.history(other.id) == of_other

    def test_a_job_that_people_move_without_end_does_so_too(self, driver: StoreDriver) -> None:
        job = driver.add()
        for _ in range(MAX_HISTORY // 2 + 2 * HISTORY_CLAIMS):
            driver.command(job.id, Action.PAUSE)
            driver.command(job.id, Action.RESUME)
        path = driver.path(job.id)
        assert MAX_HISTORY < len(path) <= 2 + MAX_HISTORY + HISTORY_CLAIMS
        assert path[-MAX_HISTORY:] == ["paused", "enqueued"] * (MAX_HISTORY // 2)

    def test_a_clock_that_is_set_back_turns_no_history_round(
        self, driver: StoreDriver, clock: FakeClock
    ) -> None:
        """No change has an earlier time than the one before it, whatever changes the job."""
        claimed = driver.start(delay=None)
        for _ in range(2):
            clock.advance(10)
            driver.command(claimed.id, Action.PAUSE)
            clock.advance(-7)
            driver.command(claimed.id, Action.RESUME)  # taken back
            clock.advance(-7)
            driver.report(claimed, progress="{}")
            driver.end(claimed, Verb.FAIL)
            _ended_at_its_last_change(driver, claimed.id)
            clock.advance(-7)
            driver.command(claimed.id, Action.RETRY)
            clock.advance(-7)
            claimed = driver.again(claimed.id)
            clock.advance(-7)
            driver.command(claimed.id, Action.PAUSE)
            clock.advance(-7)
            driver.end(claimed, Verb.SUSPEND)
            clock.advance(-7)
            driver.command(claimed.id, Action.RESUME)
            clock.advance(-7)
            claimed = driver.again(claimed.id)
            clock.advance(-7)
            driver.end(claimed, Verb.RETRY_LATER, run_at=clock())
            clock.advance(5)
            driver.promote()
            claimed = driver.again(claimed.id)
            clock.advance(-2)
            driver.rescue(driver.worker)
            driver.worker = driver.register(f"next {claimed.token}")
            claimed = driver.again(claimed.id)
        clock.advance(-7)
        driver.end(claimed, Verb.SUCCEED)
        _ended_at_its_last_change(driver, claimed.id)
        times = [row.at for row in driver.store.history(claimed.id)]
        assert times == sorted(times)

    @pytest.mark.parametrize("request_first", [False, True])
    def test_a_job_that_is_ended_for_a_dead_worker_ends_after_it_began(
        self, driver: StoreDriver, clock: FakeClock, request_first: bool
    ) -> None:
        claimed = driver.start()
        if request_first:
            clock.advance(3)
        driver.command(claimed.id, Action.CANCEL)
        clock.advance(-5)
        driver.rescue(driver.worker)
        _ended_at_its_last_change(driver, claimed.id)

    def test_reports_are_no_history(self, driver: StoreDriver) -> None:
        claimed = driver.start()
        before = driver.store.history(claimed.id)
        driver.report(claimed, progress="{}", saved="{}", logs=(LogLine(1, "info", "x"),))
        assert driver.store.history(claimed.id) == before

    def test_the_feed_tells_every_kind(self, driver: StoreDriver) -> None:
        start = driver.store.last_event()
        claimed = driver.start()
        driver.report(claimed, progress="{}", logs=(LogLine(1, "info", "x"),))
        driver.command(claimed.id, Action.CANCEL)
        driver.end(claimed, Verb.STOP)
        driver.command(claimed.id, Action.DELETE)
        driver.run(PauseQueue("mail"))
        driver.register("worker-2")
        events = read_all(driver, after=start)
        assert [(event.kind, event.job, event.state, event.previous) for event in events] == [
            ("progress", None, "processing", None),
            ("log", None, None, None),
            ("removed", claimed.id, None, "cancelled"),
            ("queue", None, "paused", None),
            ("worker", None, None, None),
        ]

    def test_the_states_before_and_after(self, driver: StoreDriver) -> None:
        start = driver.store.last_event()
        claimed = driver.start()
        driver.end(claimed, Verb.FAIL)
        reported = [(event.job, event.previous, event.state) for event in read_all(driver, after=start)]
        assert reported == [
            (claimed.id, None, "enqueued"),
            (claimed.id, "enqueued", "processing"),
            (claimed.id, "processing", "failed"),
        ]

    def test_a_reader_that_resumes_at_any_place_misses_nothing(self, driver: StoreDriver) -> None:
        for _ in range(4):
            driver.end(driver.start(), Verb.SUCCEED)
        events = read_all(driver)
        assert all(before.seq < after.seq for before, after in pairwise(events))
        for index, event in enumerate(events):
            assert read_all(driver, after=event.seq, limit=2) == events[index + 1 :]
        assert driver.store.events(after=events[0].seq - 1, limit=3) == events[:3]

    def test_no_number_is_given_twice(self, driver: StoreDriver, clock: FakeClock) -> None:
        """A reader is at the newest event; then the job it was about is removed, and another one is added."""
        claimed = driver.start()
        driver.end(claimed, Verb.FAIL)
        stands_at = driver.store.last_event()
        driver.command(claimed.id, Action.DELETE)
        clock.advance(10**6)
        driver.expire()
        other = driver.add()
        events = driver.store.events(after=stands_at, limit=9)
        assert other.id in [event.job for event in events]
        assert all(event.seq > stands_at for event in events)

    def test_a_reader_can_tell_that_events_have_been_removed(
        self, driver: StoreDriver, clock: FakeClock
    ) -> None:
        job = driver.job_in(State.FAILED)
        stands_at = driver.store.last_event()
        for _ in range(3):
            driver.run(PauseQueue("mail"))
        driver.command(job.id, Action.DELETE)
        # beyond every retention, and beyond the wall clock time that a removal may be reported with
        clock.advance(10**9)
        driver.expire()
        driver.add()
        assert driver.store.oldest_event() > stands_at + 1

    def test_changed_and_tally(self, driver: StoreDriver) -> None:
        quiet, moved, removed = driver.add(), driver.start(), driver.job_in(State.FAILED)
        start = driver.store.last_event()
        driver.end(moved, Verb.SUCCEED)
        driver.command(removed.id, Action.DELETE)
        new = driver.add()
        ids = [quiet.id, moved.id, removed.id, new.id, "no-such-job"]
        assert driver.store.changed(after=start, ids=ids) == {moved.id, removed.id, new.id}
        assert driver.store.changed(after=start, ids=[]) == set()
        assert driver.store.changed(after=driver.store.last_event(), ids=ids) == set()
        assert driver.store.transition_counts(after=start) == {
            ("processing", "succeeded"): 1,
            ("failed", None): 1,
            (None, "enqueued"): 1,
        }

    def test_counts_kept_by_tally_are_the_counts_of_the_store(
        self, driver: StoreDriver, clock: FakeClock
    ) -> None:
        """What a live page adds up from the feed is what a new page reads."""
        chance = random.Random(7)
        counts, seen = driver.store.states(), driver.store.last_event()
        for _ in range(30):
            driver.insert(*[new_job(delay=chance.choice([None, 5.0])) for _ in range(chance.randrange(4))])
            for claimed in driver.claim(limit=2):
                driver.end(claimed, chance.choice([Verb.SUCCEED, Verb.FAIL, Verb.SNOOZE, Verb.RELEASE]))
            clock.advance(2)
            driver.promote()
            for (before, now), count in driver.store.transition_counts(after=seen).items():
                if before is not None:
                    counts[before] -= count
                if now is not None:
                    counts[now] += count
            seen = driver.store.last_event()
            assert counts == driver.store.states()
