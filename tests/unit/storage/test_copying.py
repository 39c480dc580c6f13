"""A move between two stores: interrupted anywhere it continues, and there is no moment in which both may be written."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.core.dump import Part
from holdfast.core.errors import Conflict, StorageUnavailable
from holdfast.core.records import JobRecord
from holdfast.core.states import State, Verb
from holdfast.storage.copying import CopyDiffers, Move, Total, give_up
from holdfast.storage.protocol import Store
from holdfast.storage.sqlite import SqliteStore
from holdfast.storage.verbs.attempts import LOST
from holdfast.storage.writes import PublishTypes
from holdfast.testing import FakeClock
from holdfast.testing.driver import REACHABLE, StoreDriver
from holdfast.testing.factories import new_job, type_row

NAMES = ("the old one", "the new one")


class Cut(Exception):
    """The copy is killed here."""


class Mortal(SqliteStore):
    """A store on which the program is killed before the transaction with this number."""

    cut_before: int | None = None
    begun = 0

    @contextmanager
    def transaction(self, *, sealed: bool = False) -> Generator[None]:
        if sealed:
            self.begun += 1
            if self.begun == self.cut_before:
                raise Cut
        with super().transaction(sealed=sealed):
            yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def source(tmp_path: Path, clock: FakeClock) -> Iterator[Mortal]:
    yield from _opened(tmp_path / "old.db", clock)


@pytest.fixture
def target(tmp_path: Path, clock: FakeClock) -> Iterator[Mortal]:
    yield from _opened(tmp_path / "new.db", clock)


@pytest.fixture
def driver(source: Mortal, clock: FakeClock) -> StoreDriver:
    driver = StoreDriver(source, clock)
    driver.run(PublishTypes([type_row("noop"), type_row("ähnlich")]))
    for state in REACHABLE:
        driver.job_in(state, tags=("eu", "ä"))
    return driver


def _opened(path: Path, clock: FakeClock) -> Iterator[Mortal]:
    store = Mortal(path, durability="normal", clock=clock, lease_clock=clock)
    store.open()
    yield store
    store.close()


def moved(source: Store, target: Store, copy_id: str = "copy-1") -> dict[Part, Total]:
    move = Move(source, target, NAMES, copy_id)
    move.seal()
    move.copy(lambda part, done: None)
    totals = move.verify()
    move.finish()
    return totals


def jobs_of(store: Store) -> list[JobRecord]:
    ids = [row.job.id for row in store.dump(Part.JOBS, after=None, limit=1000)]  # type: ignore[union-attr]
    return sorted(store.jobs(ids))


def is_open(store: Store) -> bool:
    return store.sealed() is None


def test_everything_goes_over_and_only_the_target_is_open(
    source: Mortal, target: Mortal, driver: StoreDriver, clock: FakeClock
) -> None:
    totals = moved(source, target)
    assert totals[Part.JOBS].rows == len(REACHABLE)
    assert totals[Part.TYPES].rows == 2
    assert jobs_of(target) == jobs_of(source)
    assert (is_open(source), is_open(target)) == (False, True)
    with pytest.raises(StorageUnavailable, match="has moved to the new one"):
        driver.add()
    StoreDriver(target, clock).add()


def test_a_running_job_is_requeued_and_its_old_worker_writes_nothing_more(
    source: Mortal, target: Mortal, driver: StoreDriver, clock: FakeClock
) -> None:
    claimed = driver.start()
    move = Move(source, target, NAMES, "copy-1")
    assert move.seal() == 2, "this one, and the one that is always processing"
    with pytest.raises(StorageUnavailable, match="being copied to the new one"):
        driver.end(claimed, Verb.SUCCEED)
    move.copy(lambda part, done: None)
    move.verify()
    move.finish()
    there = StoreDriver(target, clock)
    assert there.read(claimed.id).state == State.ENQUEUED
    again = there.again(claimed.id)
    assert (again.token, again.attempt, again.crashes) == (2, 1, 0)
    assert there.end(claimed, Verb.SUCCEED) == LOST


@pytest.mark.parametrize(
    ("which", "number"), [("source", 1), ("source", 2), *[("target", n) for n in range(1, 7)]]
)
def test_a_copy_that_is_cut_off_anywhere_continues(
    source: Mortal, target: Mortal, driver: StoreDriver, which: str, number: int
) -> None:
    """Before each transaction of the copy: sealing, every load, marking the source as left, opening the target."""
    mortal = source if which == "source" else target
    mortal.cut_before = number
    with pytest.raises(Cut):
        moved(source, target)
    assert not is_open(target) or not jobs_of(target), "no worker runs jobs of half a copy"
    assert not is_open(source) or not jobs_of(target), "no worker runs jobs that are being copied"
    mortal.cut_before = None
    totals = moved(source, target, "copy-2")
    assert totals[Part.JOBS].rows == len(REACHABLE)
    assert jobs_of(target) == jobs_of(source)
    assert (is_open(source), is_open(target)) == (False, True)


def test_the_cuts_are_all_there(source: Mortal, target: Mortal, driver: StoreDriver) -> None:
    moved(source, target)
    assert (source.begun, target.begun) == (2, 6)


def test_what_arrived_wrong_is_found_and_no_worker_runs_it(
    source: Mortal, target: Mortal, driver: StoreDriver
) -> None:
    move = Move(source, target, NAMES, "copy-1")
    move.seal()
    move.copy(lambda part, done: None)
    with target.transaction(sealed=True):
        target._writer.db.execute(
            "UPDATE jobs SET args = '{\"n\":2}' WHERE seq = (SELECT min(seq) FROM jobs)"
        )
    with pytest.raises(CopyDiffers, match="jobs"):
        move.verify()
    assert (is_open(source), is_open(target)) == (False, False)


def test_a_target_that_holds_something_is_refused(
    source: Mortal, target: Mortal, driver: StoreDriver, clock: FakeClock
) -> None:
    StoreDriver(target, clock).add()
    with pytest.raises(Conflict, match="is not empty"):
        Move(source, target, NAMES, "copy-1")
    assert (is_open(source), is_open(target)) == (True, True)


def test_a_store_that_has_moved_is_not_copied_again(
    source: Mortal, target: Mortal, driver: StoreDriver, tmp_path: Path, clock: FakeClock
) -> None:
    moved(source, target)
    for other in _opened(tmp_path / "third.db", clock):
        for place in (target, other):
            with pytest.raises(Conflict, match="has moved to the new one"):
                Move(source, place, NAMES, "copy-2")
    with pytest.raises(Conflict, match="has moved"):
        give_up(source)


def test_given_up_the_source_is_open_and_the_half_target_is_of_no_use(
    source: Mortal, target: Mortal, driver: StoreDriver, clock: FakeClock
) -> None:
    with pytest.raises(Conflict, match="No copy is under way"):
        give_up(source)
    move = Move(source, target, NAMES, "copy-1")
    move.seal()
    move.copy(lambda part, done: None)
    give_up(source)
    driver.add()
    with pytest.raises(StorageUnavailable, match="being filled"), target.transaction():
        target.insert([new_job()])
    with pytest.raises(Conflict, match="is not empty"):
        Move(source, target, NAMES, "copy-2")


def test_another_empty_target_may_take_the_place_of_one_that_was_lost(
    source: Mortal, target: Mortal, driver: StoreDriver, tmp_path: Path, clock: FakeClock
) -> None:
    Move(source, target, NAMES, "copy-1").seal()
    for other in _opened(tmp_path / "third.db", clock):
        assert moved(source, other, "copy-2")[Part.JOBS].rows == len(REACHABLE)
        assert is_open(other)
    assert not is_open(target)
