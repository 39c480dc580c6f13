"""Signals between processes of one host: a write to a small file, seen through the kernel's file notification."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import select
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import structlog

from holdfast.runtime.signals.options import SignalOptions
from holdfast.runtime.signals.protocol import Listener
from holdfast.storage.topics import Topic

log = structlog.get_logger("holdfast.runtime")


def make(url: str, options: SignalOptions) -> FileSignals:
    """Signals through files in the folder that files:///folder names."""
    return FileSignals(Path(url.partition("://")[2][1:]), group_access=options.group_access)


class FileSignals:
    """Signals for processes on one host.

    Where there is no inotify (not Linux), listeners look at the files' times every `COARSE` seconds instead.
    """

    def __init__(self, folder: Path, *, group_access: bool = False) -> None:
        self._modes = (0o2770, 0o660) if group_access else (0o700, 0o600)
        self.word = f"files in {folder}"
        self._folder = folder
        self._files: dict[Topic, int] = {}
        self._lock = threading.Lock()  # a number that `close` has released may be another file by now
        self._closed = False
        self._process = os.getpid()

    def notify(self, topics: Iterable[Topic]) -> None:
        if self._process != os.getpid():
            return
        with self._lock:
            if self._closed:
                return
            for topic in topics:
                try:
                    os.pwrite(self._file(topic), b".", 0)
                except OSError:  # a full or vanished disk: a hint may be lost, and the next one opens anew
                    if topic in self._files:
                        os.close(self._files.pop(topic))

    def listen(self, topics: Iterable[Topic]) -> Listener:
        topics = list(topics)
        paths = [self._folder / topic for topic in topics]
        for topic in topics:
            self._make(topic)
        if sys.platform == "linux":
            try:
                return InotifyListener(paths)
            except OSError as error:
                # the host's inotify instances are used up: slower to hear is better than deaf
                log.warning("no file notification; falling back to polling", error=str(error))
        return PollingListener(paths)

    def ready(self, timeout: float) -> bool:
        return True

    def close(self) -> None:
        if self._process != os.getpid():
            return
        with self._lock:
            self._closed = True
            while self._files:
                os.close(self._files.popitem()[1])

    def _file(self, topic: Topic) -> int:
        if topic not in self._files:
            self._make(topic)
            self._files[topic] = os.open(self._folder / topic, os.O_WRONLY | os.O_CLOEXEC)
        return self._files[topic]

    def _make(self, topic: Topic) -> None:
        """Make the file and its folder where they are not there, with their modes whatever the umask is."""
        of_folder, of_file = self._modes
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(parents=True)
            self._folder.chmod(of_folder)
        with contextlib.suppress(FileExistsError):
            created = os.open(self._folder / topic, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
            os.fchmod(created, of_file)
            os.close(created)


IN_MODIFY = 0x2
IN_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # inotify(7): IN_NONBLOCK and IN_CLOEXEC have the values of these


class InotifyListener:
    """Hears writes to some files at once, without looking (Linux, inotify(7))."""

    def __init__(self, paths: Iterable[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(IN_FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1 failed; see fs.inotify.max_user_instances")
        for path in paths:
            if libc.inotify_add_watch(self._fd, os.fsencode(path), IN_MODIFY) < 0:
                number = ctypes.get_errno()
                self.close()
                raise OSError(number, f"cannot watch {path}; see fs.inotify.max_user_watches")

    def wait(self, timeout: float) -> bool:
        poll = select.poll()  # select(2) would refuse what a process with more than 1,024 files opens
        if self._fd >= 0:
            poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout) * 1000)) and self._drain()

    async def wait_async(self, timeout: float) -> bool:
        if self._fd < 0:
            await asyncio.sleep(max(0.0, timeout))
            return False
        loop = asyncio.get_running_loop()
        heard = loop.create_future()
        loop.add_reader(self._fd, _settle, heard)
        try:
            async with asyncio.timeout(max(0.0, timeout)):
                await heard
        except TimeoutError:
            return False
        finally:
            if self._fd >= 0:
                loop.remove_reader(self._fd)
        return self._drain()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _drain(self) -> bool:
        heard = False
        try:
            while os.read(self._fd, 65_536):
                heard = True
        except BlockingIOError:
            pass
        return heard


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


COARSE = 0.02


class PollingListener:
    """Looks at the files' times; for systems without inotify."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self._seen = self._look()

    def wait(self, timeout: float) -> bool:
        return asyncio.run(self.wait_async(timeout))

    async def wait_async(self, timeout: float) -> bool:
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            now = self._look()
            if now != self._seen:
                self._seen = now
                return True
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            await asyncio.sleep(min(COARSE, left))

    def close(self) -> None:
        self._paths = []

    def _look(self) -> list[int]:
        return [path.stat().st_mtime_ns for path in self._paths]
