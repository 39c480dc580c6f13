"""A disk that fails to keep what it was given: nothing is acknowledged, and the writer starts again from the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from holdfast.core.errors import StorageUnavailable
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing.factories import new_job


class Disk(apsw.VFS):
    """The real file system, but for the moments in which `broken` is set: then nothing can be made durable."""

    def __init__(self) -> None:
        super().__init__("failing", "unix", makedefault=True)
        self.broken = False

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return File(self, name, flags)


class File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self.disk = disk

    def xSync(self, flags: int) -> None:
        if self.disk.broken:
            raise apsw.IOError("the disk did not keep it")
        super().xSync(flags)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.unregister()


@pytest.fixture
def store(tmp_path: Path, disk: Disk) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "jobs.db")
    made.open()
    yield made
    made.close()


def test_after_an_error_of_the_disk_the_writer_opens_the_file_anew(store: SqliteStore, disk: Disk) -> None:
    with store.transaction():
        store.insert([new_job(id="first")])
    before = store._writer.db
    disk.broken = True
    with pytest.raises(StorageUnavailable, match="Nothing of this call was stored"), store.transaction():
        store.insert([new_job(id="refused")])
    disk.broken = False
    with store.transaction():
        store.insert([new_job(id="second")])
    assert store._writer.db is not before
    assert [store.job(name) is not None for name in ("first", "refused", "second")] == [True, False, True]
    store.close()
    store.open()
    assert [store.job(name) is not None for name in ("first", "refused", "second")] == [True, False, True]
