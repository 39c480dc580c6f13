"""Rules of `search`, `count` and `count_by_state`: what is found, and that pages by key are exact while jobs come and go."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from holdfast.core.commands import Action
from holdfast.core.errors import InvalidInput
from holdfast.core.query import Query, parse
from holdfast.core.records import Count, JobRecord
from holdfast.core.states import State, Verb
from holdfast.storage.cursors import SORTS
from holdfast.storage.protocol import Store
from holdfast.testing.clock import FakeClock
from holdfast.testing.conformance.rules.base import Rules
from holdfast.testing.driver import REACHABLE, StoreDriver
from holdfast.testing.factories import new_job

ORDERS = [sign + name for name in SORTS for sign in ("", "-")]


def query(text: str) -> Query:
    """A search, read in 2026 and UTC by ann."""
    return parse(text, now=datetime(2026, 1, 2, tzinfo=UTC), me="ann")


def walk(store: Store, text: str, *, sort: str = "created", limit: int = 7) -> list[JobRecord]:
    """The union of all pages, first to last."""
    found: list[JobRecord] = []
    cursor: str | None = None
    while True:
        page = store.search(query(text), sort=sort, limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def mixed(driver: StoreDriver, clock: FakeClock, number: int) -> list[JobRecord]:
    """Jobs in every state, many of them with equal keys in every sort."""
    chance = random.Random(number)
    ids: list[str] = []
    for n in range(number):
        state = chance.choice(REACHABLE)
        ids.append(
            driver.job_in(state, priority=chance.randrange(3), owner=chance.choice(["ann", "bob", None])).id
        )
        if n % 3 == 0:
            clock.advance(chance.choice([0.5, 1.0]))
    return [driver.read(job_id) for job_id in ids]


def value(job: JobRecord, sort: str) -> int | None:
    """What a job is sorted by."""
    match sort:
        case "run_at":
            return job.run_at
        case "finished":
            return job.finished_at
        case "duration":
            return (
                None
                if job.finished_at is None or job.started_at is None
                else job.finished_at - job.started_at
            )
        case "priority":
            return job.priority
        case _:
            return job.seq


class SearchRules(Rules):
    @pytest.mark.parametrize("sort", ORDERS)
    def test_the_pages_together_are_all_jobs_in_order(
        self, store: Store, driver: StoreDriver, clock: FakeClock, sort: str
    ) -> None:
        jobs = mixed(driver, clock, 40)
        name, down = sort.removeprefix("-"), sort.startswith("-")
        turn = -1 if down else 1

        def key(job: JobRecord) -> tuple[bool, int, int]:
            of_sort = value(job, name)
            return (of_sort is None, turn * (of_sort or 0), turn * job.seq)

        expected = [job.seq for job in sorted(jobs, key=key)]
        for limit in (1, 7, 40, 100):
            assert [job.seq for job in walk(store, "", sort=sort, limit=limit)] == expected

    @pytest.mark.parametrize("sort", ORDERS)
    def test_back_leads_where_one_came_from(
        self, store: Store, driver: StoreDriver, clock: FakeClock, sort: str
    ) -> None:
        mixed(driver, clock, 20)
        pages, cursor = list[list[int]](), None
        page = store.search(query(""), sort=sort, limit=6, cursor=None)
        assert page.previous_cursor is None
        pages.append([job.seq for job in page.items])
        while (cursor := page.next_cursor) is not None:
            page = store.search(query(""), sort=sort, limit=6, cursor=cursor)
            pages.append([job.seq for job in page.items])
        for expected in reversed(pages[:-1]):
            assert page.previous_cursor is not None
            page = store.search(query(""), sort=sort, limit=6, cursor=page.previous_cursor)
            assert [job.seq for job in page.items] == expected

    @pytest.mark.parametrize("sort", ["created", "-created", "-priority"])
    def test_jobs_that_come_and_go_meanwhile_move_no_other(
        self, store: Store, driver: StoreDriver, sort: str
    ) -> None:
        there = {job.id for job in driver.insert(*[new_job(priority=n % 3) for n in range(30)])}
        gone = driver.job_in(State.CANCELLED, queue="gone").id
        found: list[str] = []
        cursor: str | None = None
        for turn in range(100):
            page = store.search(query(""), sort=sort, limit=4, cursor=cursor)
            found += [job.id for job in page.items]
            driver.add(priority=turn % 3)
            if turn == 2:
                driver.command(gone, Action.DELETE)
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(found) == len(set(found))
        assert there <= set(found)

    def test_terms(self, store: Store, driver: StoreDriver) -> None:
        plain = driver.add(queue="q").id
        eu = driver.add(queue="q", owner="ann", tags=("eu", "vip"), args='{"path":"a.csv","n":7}').id
        failed = driver.job_in(State.FAILED, type="report", owner="bob").id
        expected = {
            "": {plain, eu, failed},
            "state:failed": {failed},
            "NOT state:failed": {plain, eu},
            "type:report": {failed},
            "queue:q": {plain, eu},
            "owner:me": {eu},
            "owner:ann,bob": {eu, failed},
            "tag:eu tag:vip": {eu},
            "tag:us": set[str](),
            f"id:{plain}": {plain},
            "args.path:a.csv": {eu},
            "args.n:>6": {eu},
            "queue:q state:enqueued -owner:ann": {plain},
            "state:failed OR tag:eu": {failed, eu},
        }
        for text, ids in expected.items():
            assert {job.id for job in walk(store, text)} == ids, text
            assert store.count(query(text), cap=100) == Count(len(ids), False), text
            assert {job.id for job in store.jobs([plain, eu, failed], query(text))} == ids, text

    def test_a_value_is_never_sql(self, store: Store, driver: StoreDriver) -> None:
        nasty = """'; DROP TABLE jobs; -- % _ " \\ 🦆"""
        job = driver.add(owner=nasty, queue=nasty, tags=(nasty,)).id
        driver.add(owner="x")
        quoted = '"' + nasty.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for field in ("owner", "queue", "tag"):
            assert [found.id for found in walk(store, f"{field}:{quoted}")] == [job]

    def test_counts_are_capped(self, store: Store, driver: StoreDriver) -> None:
        driver.insert(*[new_job() for _ in range(5)])
        for cap, expected in ((4, (4, True)), (5, (5, False)), (9, (5, False))):
            counted = store.count(query("state:enqueued"), cap=cap)
            assert (counted.count, counted.capped) == expected

    def test_counts_by_state_do_not_mind_the_state_asked_for(self, store: Store, driver: StoreDriver) -> None:
        for state in REACHABLE:
            driver.job_in(state, owner="ann")
        driver.job_in(State.FAILED, owner="bob")
        claimed = driver.start(owner="ann")
        driver.end(claimed, Verb.RETRY_LATER, reason="retry")
        counted = {
            name: count.count
            for name, count in store.count_by_state(query("owner:ann state:failed"), cap=100).items()
        }
        expected = {state.value: int(state in REACHABLE) for state in State} | {"scheduled": 2, "retrying": 1}
        assert counted == expected

    @pytest.mark.parametrize("sort", ["", "-", "id", "created; DROP TABLE jobs", "--created", "args"])
    def test_an_unknown_sort_is_refused(self, store: Store, driver: StoreDriver, sort: str) -> None:
        driver.add()
        with pytest.raises(InvalidInput):
            store.search(query(""), sort=sort, limit=5, cursor=None)

    @pytest.mark.parametrize("cursor", ["x", "AAAA", "null", "W10=", "\ud800", "9" * 5_000, "eyJzZXEiOjF9"])
    def test_a_cursor_from_nowhere_is_refused(self, store: Store, driver: StoreDriver, cursor: str) -> None:
        driver.add()
        with pytest.raises(InvalidInput):
            store.search(query(""), sort="created", limit=5, cursor=cursor)

    def test_a_cursor_of_another_search_is_refused(self, store: Store, driver: StoreDriver) -> None:
        driver.insert(*[new_job() for _ in range(5)])
        cursor = store.search(query(""), sort="created", limit=2, cursor=None).next_cursor
        assert cursor is not None
        for text, sort in (("state:enqueued", "created"), ("", "-created"), ("", "priority")):
            with pytest.raises(InvalidInput):
                store.search(query(text), sort=sort, limit=2, cursor=cursor)
