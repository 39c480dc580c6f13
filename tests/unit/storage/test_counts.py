"""The counts that the embedded database keeps are those of its jobs, whatever happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.core.commands import Action
from holdfast.core.errors import Conflict, NotFound
from holdfast.core.job import Claimed
from holdfast.core.states import Verb
from holdfast.storage.sqlite import SqliteStore, counts
from holdfast.storage.writes import AggregateEvents
from holdfast.testing import FakeClock, StoreDriver

DAY = 86_400.0
ENDS = (Verb.SUCCEED, Verb.FAIL, Verb.RETRY_LATER)

steps = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("ab"), st.sampled_from((None, 3600.0))),
    st.tuples(st.just("claim"), st.integers(1, 4)),
    st.tuples(st.just("end"), st.integers(0, 20), st.sampled_from(ENDS)),
    st.tuples(st.just("command"), st.integers(0, 20), st.sampled_from(list(Action))),
    st.tuples(st.just("aggregate"), st.integers(1, 20)),
    st.tuples(st.just("expire")),
)


class Jobs:
    """A store and what is known of its jobs."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.store = SqliteStore(path, clock=self.clock)
        self.store.open()
        self.driver = StoreDriver(self.store, self.clock)
        self.ids: list[str] = []
        self.running: list[Claimed] = []

    def do(self, name: str, *given: object) -> None:
        getattr(self, name)(*given)

    def add(self, queue: str, delay: float | None) -> None:
        self.ids.append(self.driver.add(queue=queue, delay=delay).id)

    def claim(self, limit: int) -> None:
        self.running += self.driver.claim(limit=limit)

    def end(self, number: int, verb: Verb) -> None:
        if self.running:
            self.driver.end(self.running.pop(number % len(self.running)), verb)

    def command(self, number: int, action: Action) -> None:
        if self.ids:
            try:
                self.driver.command(self.ids[number % len(self.ids)], action)
            except (Conflict, NotFound):
                return

    def aggregate(self, limit: int) -> None:
        self.driver.run(AggregateEvents(limit))

    def expire(self) -> None:
        self.clock.advance(100 * DAY)
        self.driver.expire()


def wrong(store: SqliteStore) -> list[str]:
    with store.reading() as db:
        return counts.wrong(db, 10)


@pytest.fixture(scope="module", params=["event by event", "all jobs anew"])
def events_are_cheap(request: pytest.FixtureRequest) -> Iterator[None]:
    """A few jobs are always counted anew; as if there were many, only what has changed is."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "event by event":
            patch.setattr(counts, "EVENT_COST", 0)
        yield


@pytest.mark.usefixtures("events_are_cheap")
@given(st.lists(steps, min_size=20, max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_counts_are_those_of_the_jobs(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[object, ...]]
) -> None:
    jobs = Jobs(tmp_path_factory.mktemp("counts") / "holdfast.db")
    for name, *given_ in script:
        jobs.do(str(name), *given_)
        assert wrong(jobs.store) == [], (name, given_)
    jobs.store.close()


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "holdfast.db")


def both(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> tuple[object, object]:
    """What is read from the counts, and what from all jobs when too much is uncounted."""
    kept = (jobs.store.states(), jobs.store.queues())
    monkeypatch.setattr(counts, "MAX_UNCOUNTED", -1)
    return kept, (jobs.store.states(), jobs.store.queues())


def test_without_a_leader_all_jobs_are_counted(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.add("a", None)
    jobs.add("b", 3600.0)
    jobs.claim(1)
    kept, anew = both(jobs, monkeypatch)
    assert kept == anew


@pytest.mark.usefixtures("events_are_cheap")
def test_a_job_that_is_removed_before_it_was_counted_is_no_loss(jobs: Jobs) -> None:
    jobs.add("a", None)
    jobs.command(0, Action.CANCEL)
    jobs.command(0, Action.DELETE)
    assert wrong(jobs.store) == []
    jobs.aggregate(100)
    assert wrong(jobs.store) == []


def test_what_was_imported_is_counted_in_portions(jobs: Jobs) -> None:
    for _ in range(40):
        jobs.add("a", None)
    jobs.aggregate(1_000)
    for _ in range(30):
        jobs.add("a", None)
    jobs.aggregate(2)
    with jobs.store.reading() as db:
        assert db.execute("SELECT sum(n) FROM counts").fetchone() == (42,)
    assert jobs.store.states()["enqueued"] == 70


def test_a_loss_of_counts_is_found(jobs: Jobs) -> None:
    jobs.add("a", None)
    jobs.aggregate(100)
    with jobs.store.transaction():
        jobs.store._writer.db.execute("UPDATE counts SET n = n + 1")
    assert wrong(jobs.store) == ["a noop enqueued 2 for 1"]
