"""Lock files of living processes: a process whose lock is free has died, on this host and since its last boot.

A lock belongs to an open file, and the kernel frees it when the last process that has this file open ends. Copies made by
fork close theirs (`HeldLock.close`). A stopped process keeps its lock. A file that is absent, or that was written on
another machine, mount or boot, says nothing: there the lease decides.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path

import structlog

from holdfast.core.urls import sqlite_path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is ours alone, which is checked
_MAX_IDENTITY = 200

log = structlog.get_logger("holdfast.runtime")


class Lock(Enum):
    """What the lock file of a process says."""

    HELD = auto()
    FREE = auto()  # the process has died
    FOREIGN = auto()  # free, and written elsewhere or before the last boot
    SILENT = auto()  # absent, or not to be read


class HeldLock:
    """The lock of this process. `fd` may be handed to children, which are then part of what has to end."""

    def __init__(self, path: Path, fd: int) -> None:
        self.fd = fd
        self._path = path

    def close(self) -> None:
        """Release it in a forked child that does not take part: the other processes keep the lock."""
        with suppress(OSError):
            os.close(self.fd)

    def release(self) -> None:
        """The process ends as it should, and nothing is left to be found."""
        self._path.unlink(missing_ok=True)
        self.close()
        with suppress(OSError):  # others are there
            self._path.parent.rmdir()


class ProcessLocks:
    """The lock files of all processes that work on one store, as far as they share a host and a folder."""

    def __init__(self, folder: Path, *, group_access: bool = False) -> None:
        self._folder = folder
        self._group_access = group_access
        self._boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""

    def hold(self, name: str) -> HeldLock | None:
        """Lock the file of this process, under a name that no other one ever has. None where that is not possible."""
        if not self._boot:
            return None
        try:
            try:
                return self._lock(name)
            except FileNotFoundError:  # another process has just removed the empty folder
                return self._lock(name)
        except OSError as error:
            log.warning(
                "no lock file; the death of this process is noticed at the end of its lease",
                folder=str(self._folder),
                error=str(error),
            )
            return None

    def dead(self) -> list[str]:
        """The names of all processes whose death is certain. Files that say nothing any more are removed."""
        names: list[str] = []
        try:
            found = list(self._folder.iterdir())
        except OSError:  # no process has locked anything here
            return names
        for name in (path.name for path in found):
            says = self.look(name)
            if says is Lock.FREE:
                names.append(name)
            elif says is Lock.FOREIGN:
                self.forget(name)
        return names

    def look(self, name: str) -> Lock:
        """What the file of a process says now."""
        try:
            fd = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return Lock.SILENT
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look at once see the same
            text = os.read(fd, _MAX_IDENTITY)
            if not text:
                return Lock.SILENT  # its process is just about to lock it
            return Lock.FREE if text == self._identity(fd) else Lock.FOREIGN
        except BlockingIOError:
            return Lock.HELD
        except OSError:
            return Lock.SILENT
        finally:
            os.close(fd)

    def forget(self, name: str) -> None:
        """Remove the file of a dead process, once nothing is left to be done for it."""
        with suppress(OSError):  # another one was faster, or it belongs to another user
            (self._folder / name).unlink(missing_ok=True)

    def _lock(self, name: str) -> HeldLock:
        self._make_folder()
        path = self._folder / name
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(fd, 0o660 if self._group_access else 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)
            # after the lock: an unlocked file with a text is that of a dead process
            os.write(fd, self._identity(fd))
        except BaseException:
            os.close(fd)
            raise
        return HeldLock(path, fd)

    def _identity(self, fd: int) -> bytes:
        """Of a file on this boot. A copy of the file is another one, and so is the same folder by way of another mount."""
        status = os.fstat(fd)
        return f"{self._boot} {status.st_dev}:{status.st_ino}\n".encode()

    def _make_folder(self) -> None:
        with suppress(FileExistsError):
            self._folder.mkdir(parents=True, mode=0o700)
            if self._group_access:
                self._folder.chmod(0o2770)
        status = self._folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or (status.st_uid != os.geteuid() and not self._group_access):
            raise PermissionError(f"{self._folder} belongs to another user")


def locks_folder(database_url: str) -> Path:
    """Where the lock files of a store are on this host: beside the embedded database, else in memory, by the URL."""
    if (file := sqlite_path(database_url)) is not None:
        return Path(f"{file}.processes").absolute()
    base = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    store = hashlib.sha256(database_url.encode()).hexdigest()[:16]
    return base / f"holdfast-{os.geteuid()}-{store}"
