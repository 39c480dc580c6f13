"""Modes of the data folder and its files, whatever the umask of the process is."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

COMPANIONS = ("", "-wal", "-shm")
"""What SQLite keeps beside a database file. It gives new ones the mode of the database file itself."""


def make_folder(folder: Path, *, group: bool) -> None:
    """Make the folder for its owner only, or for its group too. One that exists is left as its owner has set it."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return
    # the group of the folder, not of the process that happens to write, owns what is made in it
    folder.chmod(0o2770 if group else 0o700)


def make_database_private(path: Path, *, group: bool) -> None:
    """Make the database file, or bring the modes of one that exists to what is set. Files of another user are left alone.

    A file that exists is never opened here: to close it would drop the locks that this process holds on it."""
    mode = file_mode(group=group)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    for companion in COMPANIONS:
        set_mode(path.with_name(path.name + companion), mode)


def set_mode(path: Path, mode: int) -> None:
    """Set the mode of a file of this user, where it differs."""
    try:
        status = path.stat()
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != mode:
            path.chmod(mode)
    except FileNotFoundError:
        return


def file_mode(*, group: bool) -> int:
    """The mode of every file in the data folder."""
    return 0o660 if group else 0o600
