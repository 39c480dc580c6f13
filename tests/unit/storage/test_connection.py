"""Places and libraries that would lose data are refused, with the cure in words."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from holdfast.core.errors import StorageRefused
from holdfast.storage.sqlite import connection
from holdfast.storage.sqlite.connection import (
    MIN_SQLITE,
    NETWORK_FILE_SYSTEMS,
    check_library,
    check_place,
    connect,
    file_system,
)

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / /tmp rw shared:2 - tmpfs tmpfs rw
30 21 0:30 / /mnt/share rw shared:3 master:1 - {kind} server:/export rw
31 30 0:31 / /mnt/share/local rw - xfs /dev/vdb rw
32 21 0:32 / /mnt/with\\040space rw - nfs4 server:/x rw
33 21 0:33 / /twice rw - ext4 /dev/vdc rw
34 21 0:34 / /twice rw - cifs //server/x rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS.format(kind="nfs4"))
    return path


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/srv/data", "ext4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/deep/er", "nfs4"),
        ("/mnt/share/local/x", "xfs"),
        ("/mnt/sharewise", "ext4"),
        ("/mnt/with space/x", "nfs4"),
        ("/twice/x", "cifs"),
    ],
)
def test_the_file_system_of_a_folder(mounts: Path, folder: str, kind: str) -> None:
    assert file_system(Path(folder), mounts) == kind


def test_a_link_is_followed(tmp_path: Path, mounts: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/mnt/share/data")
    assert file_system(link, mounts) == "nfs4"


def test_without_a_mount_table_the_file_system_is_unknown(tmp_path: Path) -> None:
    assert file_system(Path("/"), tmp_path / "none") is None


def test_this_machine_is_understood(tmp_path: Path) -> None:
    assert file_system(tmp_path) not in {None, *NETWORK_FILE_SYSTEMS}
    check_place(tmp_path / "holdfast.db")


@pytest.mark.parametrize("kind", sorted(NETWORK_FILE_SYSTEMS))
def test_network_file_systems_are_refused(monkeypatch: pytest.MonkeyPatch, mounts: Path, kind: str) -> None:
    mounts.write_text(MOUNTS.format(kind=kind))
    monkeypatch.setattr(connection, "file_system", lambda folder: file_system(folder, mounts))
    with pytest.raises(StorageRefused, match="HOLDFAST_DATA_DIR"):
        check_place(Path("/mnt/share/holdfast.db"))
    check_place(Path("/mnt/share/local/holdfast.db"))


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.0"])
def test_a_library_with_the_race_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(StorageRefused, match="upgrade apsw"):
        check_library()


@pytest.mark.parametrize("version", ["3.51.3", "3.100.0", "4.0.0"])
def test_later_ones_are_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    check_library()


def test_the_library_at_hand_is_good_enough() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= MIN_SQLITE
    check_library()


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_durability_is_what_was_asked(tmp_path: Path, durability: str, level: int) -> None:
    db = connect(tmp_path / "x.db", durability)
    assert next(db.execute("PRAGMA synchronous"))[0] == level
    db.close()
