"""The write-ahead log is brought back after a long reader, also where short readers follow each other without a gap."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from holdfast import Holdfast
from holdfast.cli.doctor.sqlite import sqlite_checks
from holdfast.storage.sqlite import wal, write_lock


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Holdfast]:
    monkeypatch.setattr(wal, "MAX_WAL", 1_000_000)
    monkeypatch.setattr(wal, "INTERVAL", 0.0)
    app = Holdfast(data_dir=str(tmp_path), durability="normal")
    app.job(name="work")(lambda text="": None)
    yield app
    app.close()


class Reader:
    """A program of someone else that keeps a reading transaction open."""

    def __init__(self, path: Path) -> None:
        self._db = apsw.Connection(str(path))
        self.renew()

    def renew(self) -> None:
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._db.execute("BEGIN")
        list(self._db.execute("SELECT count(*) FROM jobs"))

    def close(self) -> None:
        self._db.close(True)


def grow(app: Holdfast, size: int = 5_000_000) -> None:
    while log_of(app).stat().st_size < size:
        app.enqueue_many("work", [{"text": "x" * 100_000}] * 5)


def log_of(app: Holdfast) -> Path:
    return Path(app.settings.data_dir) / "holdfast.db-wal"


def test_the_log_comes_back_when_a_long_reader_ends(app: Holdfast) -> None:
    app.open()
    reader = Reader(Path(app.settings.data_dir) / "holdfast.db")
    grow(app)
    app.enqueue("work")
    assert log_of(app).stat().st_size >= 5_000_000, "a reader still needs it"
    reader.close()
    app.enqueue("work")
    app.enqueue("work")
    assert log_of(app).stat().st_size < 1_000_000


def test_readers_that_follow_each_other_without_a_gap_do_not_keep_it(app: Holdfast) -> None:
    app.open()
    path = Path(app.settings.data_dir) / "holdfast.db"
    first, second = Reader(path), Reader(path)
    grow(app)
    over = threading.Event()

    def take_turns() -> None:  # at every moment one of them reads
        while not over.is_set():
            first.renew()
            second.renew()

    reading = threading.Thread(target=take_turns)
    reading.start()
    try:
        deadline = time.monotonic() + 30
        while log_of(app).stat().st_size >= 1_000_000:
            app.enqueue("work")
            assert time.monotonic() < deadline
    finally:
        over.set()
        reading.join()
    first.close()
    second.close()


def test_the_doctor_reports_its_size_and_its_readers(app: Holdfast) -> None:
    app.open()
    path = Path(app.settings.data_dir) / "holdfast.db"
    check = dict(sqlite_checks(f"sqlite:///{path}"))["write-ahead log"]
    assert "currently read by no process" in check().found
    assert write_lock.reading(path) == []
    reader = Reader(path)
    grow(app)
    assert write_lock.reading(path) == [os.getpid()]
    found = check()
    assert f"process {os.getpid()} (" in found.found
    assert f"{log_of(app).stat().st_size / 1e6:.1f} MB" in found.found
    reader.close()
    assert write_lock.reading(path) == []
