"""The data folder is 0700 and its files 0600 whatever the umask, or open to their group where the setting says so."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import Holdfast
from holdfast.storage.sqlite.admin import Maintenance

MODES = {"owner": (0o700, 0o600), "group": (0o2770, 0o660)}


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder.parent)): stat.S_IMODE(path.stat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }


def use(folder: Path, access: str) -> None:
    app = Holdfast(data_dir=str(folder), data_access=access)
    app.job(name="work")(lambda: None)
    with app.client.events.listen(()):
        app.enqueue("work")
    found = modes(folder)
    assert {"data/holdfast.db", "data/holdfast.db-wal", "data/holdfast.db-shm"} <= found.keys()
    of_folder, of_file = MODES[access]
    assert {name: oct(mode) for name, mode in found.items()} == {
        name: oct(of_folder if (folder.parent / name).is_dir() else of_file) for name in found
    }
    app.close()


@pytest.mark.parametrize("access", MODES)
def test_folder_and_files_have_their_mode(tmp_path: Path, umask: int, access: str) -> None:
    use(tmp_path / "data", access)


def test_files_that_exist_are_brought_to_what_is_set(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    use(folder, "owner")
    (folder / "holdfast.db").chmod(0o644)
    app = Holdfast(data_dir=str(folder), data_access="group")
    app.open()
    assert modes(folder)["data/holdfast.db"] == 0o660
    assert modes(folder)["data"] == 0o700, "a folder that exists is its owner's"
    app.close()


def test_a_backup_is_for_its_owner_only(tmp_path: Path, umask: int) -> None:
    use(tmp_path / "data", "owner")
    Maintenance(tmp_path / "data" / "holdfast.db").backup(tmp_path / "copy.db")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
