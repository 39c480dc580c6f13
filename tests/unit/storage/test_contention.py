"""Several processes on one file: no caller sees "locked" while transactions are short, and a stuck one is named."""

from __future__ import annotations

import multiprocessing
import threading
import time
from pathlib import Path

import apsw
import pytest

from holdfast.core.errors import StorageUnavailable
from holdfast.core.outcome import Settlement
from holdfast.core.states import Verb
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore, connection
from holdfast.storage.writes import Insert
from holdfast.testing import FakeClock, StoreDriver, new_job

SPAWN = multiprocessing.get_context("spawn")


def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    store.open()
    return store


def work(path: str, worker: str, seconds: float) -> int:
    """Insert, claim and complete as fast as possible; returns how many rounds."""
    store, clock = opened(Path(path)), FakeClock()
    driver = StoreDriver.__new__(StoreDriver)
    driver.store, driver.clock = store, clock
    driver.register(worker, lease=600.0)
    rounds, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        driver.insert(*[new_job() for _ in range(5)])
        claimed = driver.claim(worker=worker, limit=5)
        driver.settle(*[Settlement(job.seq, job.token, Verb.SUCCEED) for job in claimed])
        store.states()
        rounds += 1
    store.close()
    return rounds


@pytest.mark.slow
def test_writers_in_several_processes_never_see_locked(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.db"
    opened(path).close()
    with SPAWN.Pool(3) as pool:
        rounds = pool.starmap_async(work, [(str(path), f"w{n}", 4.0) for n in range(3)]).get(90)
    assert all(rounds)
    store = opened(path)
    counted = store.states()
    assert sum(counted.values()) == 5 * sum(rounds)
    assert counted["processing"] == 0
    store.close()
    db = apsw.Connection(str(path))
    assert next(db.execute("PRAGMA integrity_check"))[0] == "ok"
    db.close()


def test_a_lock_that_is_held_too_long_is_reported_and_nothing_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.3)
    store = opened(tmp_path / "holdfast.db")
    gateway = Gateway(store, lambda topics: None)
    other = apsw.Connection(str(store.path))
    other.execute("BEGIN IMMEDIATE")
    job = new_job()
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="another process has kept it locked"):
            gateway.run(Insert([job]))
    assert store.job(job.id) is None  # reads still work meanwhile
    other.execute("ROLLBACK")
    assert store.job(job.id) is None
    assert gateway.run(Insert([job])) == [(job.id, True)]
    other.close()
    gateway.close()
    store.close()


def test_a_lock_that_is_held_shortly_is_waited_for(tmp_path: Path) -> None:
    store = opened(tmp_path / "holdfast.db")
    gateway = Gateway(store, lambda topics: None)
    other = apsw.Connection(str(store.path))
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    done.start()
    assert gateway.run(Insert([new_job()]))[0].created
    done.join()
    other.close()
    gateway.close()
    store.close()


@pytest.mark.slow
def test_a_lock_held_beyond_the_real_timeout_is_reported(tmp_path: Path) -> None:
    """Held for longer than a writer waits: two callers get the reason, and what they withdrew is not run later."""
    store = opened(tmp_path / "holdfast.db")
    gateway = Gateway(store, lambda topics: None)
    other = apsw.Connection(str(store.path))
    other.execute("BEGIN IMMEDIATE")
    job = new_job()
    with pytest.raises(StorageUnavailable, match=r"locked for 10 s\. Nothing of this call was stored"):
        gateway.run(Insert([job]))
    other.execute("ROLLBACK")
    assert gateway.run(Insert([new_job()]))[0].created
    assert store.job(job.id) is None
    other.close()
    gateway.close()
    store.close()
