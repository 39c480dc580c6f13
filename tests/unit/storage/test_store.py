"""Opening, migrating, forking, and files that cannot be used."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from pathlib import Path

import apsw
import pytest

from holdfast.core.errors import StorageRefused, StorageUnavailable
from holdfast.storage.sqlite import SqliteStore, writer
from holdfast.storage.sqlite import boot_clock as boot
from holdfast.storage.sqlite.admin import Maintenance
from holdfast.storage.sqlite.schema import MIGRATIONS
from holdfast.storage.sqlite.store import migrate
from holdfast.testing import FakeClock, StoreDriver, new_job
from holdfast.testing.factories import type_row

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "holdfast.db"


def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    store.open()
    return store


def integrity(path: Path) -> str:
    db = apsw.Connection(str(path))
    answer = str(next(db.execute("PRAGMA integrity_check"))[0])
    db.close()
    return answer


def open_and_insert(path: str, number: int) -> None:
    store = opened(Path(path))
    with store.transaction():
        store.insert([new_job() for _ in range(number)])
    store.close()


def test_a_second_open_changes_nothing(path: Path) -> None:
    store = opened(path)
    store.open()
    store.close()
    again = opened(path)
    assert again.info()["schema"] == f"{len(MIGRATIONS)} of {len(MIGRATIONS)}"
    assert again.info()["journal"] == "wal"
    again.close()
    again.close()


@pytest.mark.slow
def test_eight_processes_may_start_at_once(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.db"
    with SPAWN.Pool(8) as pool:
        pool.starmap_async(open_and_insert, [(str(path), 5)] * 8).get(60)
    store = opened(path)
    assert store.states()["enqueued"] == 40
    store.close()
    assert integrity(path) == "ok"


def test_many_threads_may_start_at_once(tmp_path: Path) -> None:
    for n in range(10):
        path = tmp_path / f"{n}.db"
        failed: list[BaseException] = []
        barrier = threading.Barrier(6)

        def start(
            path: Path = path, barrier: threading.Barrier = barrier, failed: list[BaseException] = failed
        ) -> None:
            barrier.wait(10)
            try:
                open_and_insert(str(path), 1)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=start) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert failed == []


def brought_further(path: Path, needs: int) -> None:
    """What a newer program does to the file with a migration of its own."""
    db = apsw.Connection(str(path))
    db.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    db.execute("UPDATE meta SET value = ? WHERE name = 'needs'", (str(needs),))
    db.close()


def test_a_schema_that_needs_a_newer_program_is_refused(path: Path) -> None:
    opened(path).close()
    brought_further(path, needs=len(MIGRATIONS) + 1)
    with pytest.raises(StorageRefused, match="Upgrade this program"):
        opened(path)


def test_a_schema_that_a_newer_program_has_added_to_is_worked_on(path: Path) -> None:
    opened(path).close()
    brought_further(path, needs=len(MIGRATIONS))
    store = opened(path)
    with store.transaction():
        store.insert([new_job()])
    assert store.info()["schema"] == f"{len(MIGRATIONS) + 1} of {len(MIGRATIONS)}"
    store.close()
    assert Maintenance(path).status().usable


def test_a_store_of_the_first_schema_is_brought_up_to_date(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as only:
        only.setattr("holdfast.storage.sqlite.store.MIGRATIONS", MIGRATIONS[:1])
        path.parent.mkdir()
        db = apsw.Connection(str(path))
        migrate(db)
        db.close()
    store = opened(path)
    with store.transaction():
        store.publish_types([type_row(tags='["a"]')])
    assert [row.tags for row in store.types()] == ['["a"]']
    store.close()


def test_a_migration_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(path).close()
    broken = (*MIGRATIONS, ("0099_broken", "CREATE TABLE half (a); CREATE TABLE half (a);"))
    monkeypatch.setattr("holdfast.storage.sqlite.store.MIGRATIONS", broken)
    with pytest.raises(StorageUnavailable):
        opened(path)
    monkeypatch.undo()
    store = opened(path)
    assert store.states()["enqueued"] == 0
    store.close()
    db = apsw.Connection(str(path))
    assert list(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'")) == []
    db.close()


def test_a_file_that_is_no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StorageUnavailable, match="not a database"):
        opened(path)
    assert path.read_bytes().startswith(b"Dear diary")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="folder"):
        opened(tmp_path / "file" / "data" / "holdfast.db")


def test_a_database_that_may_not_be_written(path: Path) -> None:
    """The rights of root stand above those of files, so the connection itself is opened for reading."""
    store = opened(path)
    store._writer.db.execute("PRAGMA query_only=ON")
    with pytest.raises(StorageUnavailable, match="may not be written"), store.transaction():
        store.insert([new_job()])
    store._writer.db.execute("PRAGMA query_only=OFF")
    with store.transaction():
        assert store.insert([new_job()])[0].created
    assert store.states()["enqueued"] == 1
    store.close()


def in_a_fork(check: object) -> int:
    """Run in a forked child; the exit code is 7 when it was refused."""
    child = os.fork()
    if child == 0:
        try:
            check()  # type: ignore[operator]
        except StorageRefused:
            os._exit(7)
        except BaseException:
            os._exit(8)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_open_store_must_not_cross_a_fork(path: Path) -> None:
    store = opened(path)
    store.states()

    def write() -> None:
        with store.transaction():
            store.insert([new_job()])

    assert in_a_fork(write) == 7
    assert in_a_fork(store.states) == 7
    assert in_a_fork(store.open) == 7
    write()
    assert store.states()["enqueued"] == 1
    store.close()
    assert integrity(path) == "ok"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_store_that_is_not_open_may(path: Path) -> None:
    store = SqliteStore(path)

    def use() -> None:
        store.open()
        with store.transaction():
            store.insert([new_job()])
        store.close()

    assert in_a_fork(use) == 0
    use()
    again = opened(path)
    assert again.states()["enqueued"] == 2
    again.close()


def test_a_reboot_ends_every_lease(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    store = SqliteStore(path, clock=clock, lease_clock=clock)
    store.open()
    claimed = StoreDriver(store, clock).start()
    store.close()
    for module in (boot, writer):
        monkeypatch.setattr(module, "boot_id", lambda: "another run of the kernel")
    clock_after = FakeClock(5_000_000)  # the boot clock begins anew, long before the old deadline
    store = SqliteStore(path, clock=clock, lease_clock=clock_after)
    store.open()
    assert [row.state for row in store.workers()] == ["lost"]
    with store.transaction():
        assert [swept.id for swept in store.rescue()] == [claimed.id]
    store.close()


def test_the_wall_clock_moves_no_lease(path: Path) -> None:
    clock, lease_clock = FakeClock(), FakeClock(1_000_000)
    store = SqliteStore(path, clock=clock, lease_clock=lease_clock)
    store.open()
    driver = StoreDriver(store, clock)
    driver.start()
    for jump in (10**8, -2 * 10**8):
        clock.advance(jump)
        assert driver.rescue() == []
        assert [row.state for row in store.workers()] == ["live"]
    lease_clock.advance(31)
    assert len(driver.rescue()) == 1
    store.close()


def test_the_boot_clock_advances_evenly() -> None:
    first = boot.boot_clock()
    assert 0 <= boot.boot_clock() - first < 60_000_000
    assert boot.boot_id() == boot.boot_id()


def test_threads_that_end_take_their_connection_with_them(path: Path) -> None:
    store = opened(path)
    descriptors = Path("/proc/self/fd")

    def count_after(threads: int) -> int:
        for _ in range(threads):
            thread = threading.Thread(target=store.states)
            thread.start()
            thread.join()
        gc.collect()
        return len(list(descriptors.iterdir()))

    assert count_after(50) <= count_after(1) + 3
    store.close()


def test_close_ends_readers_of_all_threads(path: Path) -> None:
    store = opened(path)
    done, go_on = threading.Event(), threading.Event()

    def read() -> None:
        store.states()
        done.set()
        go_on.wait(10)

    thread = threading.Thread(target=read)
    thread.start()
    done.wait(10)
    store.close()
    go_on.set()
    thread.join()
    assert not path.with_name(path.name + "-wal").exists()  # the last connection has taken it away
