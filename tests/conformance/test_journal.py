"""The example of a store written elsewhere keeps every rule of the kit, and its file keeps what the kit cannot see."""

from __future__ import annotations

from pathlib import Path

import pytest
from holdfast_journal.kind import JournalCare, JournalStore

from holdfast.core.errors import StorageRefused
from holdfast.storage.protocol import Store
from holdfast.testing import FakeClock, StoreDriver, new_job
from holdfast.testing.conformance import StoreConformance


class TestJournal(StoreConformance):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return JournalStore(folder / "jobs.journal", clock=clock)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A file with two jobs, each stored in a transaction of its own."""
    path = tmp_path / "jobs.journal"
    store = opened(path)
    driver = StoreDriver(store, FakeClock())
    driver.add(id="first")
    driver.add(id="second")
    store.close()
    return path


def opened(path: Path) -> JournalStore:
    store = JournalStore(path)
    store.open()
    return store


def there(path: Path) -> list[str]:
    """The jobs that stand, once another one has been stored behind whatever was left."""
    store = opened(path)
    with store.transaction():
        store.insert([new_job(id="later")])
    store.close()
    again = opened(path)
    ids = [job.id for job in again.jobs(["first", "second", "later"])]
    again.close()
    return ids


def test_a_line_that_was_cut_anywhere_is_never_half_stored(journal: Path) -> None:
    """The writer dies after any number of bytes: its line counts when all of it is there, its end apart."""
    lines = journal.read_bytes().splitlines(keepends=True)
    before, last = b"".join(lines[:-1]), lines[-1]
    for length in [0, 1, 9, len(last) // 2, len(last) - 2, len(last) - 1, len(last)]:
        journal.write_bytes(before + last[:length])
        whole = length >= len(last) - 1
        assert there(journal) == (["first", "second", "later"] if whole else ["first", "later"]), length


def test_a_line_without_its_end_is_invisible(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-1])
    store = opened(journal)
    assert [job.id for job in store.jobs(["first", "second"])] == ["first"]
    store.close()


def test_a_damaged_line_is_refused_and_found(journal: Path) -> None:
    damaged = journal.read_bytes().replace(b"second", b"secund")
    assert JournalCare(journal).check() == []
    journal.write_bytes(damaged)
    assert len(JournalCare(journal).check()) == 1
    with pytest.raises(StorageRefused, match="damaged"):
        opened(journal)
