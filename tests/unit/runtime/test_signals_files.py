"""Signals wake who listens, at once or by looking; they are hints, and never a reason to fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import pytest

from holdfast.runtime.signals import files
from holdfast.runtime.signals.files import FileSignals, InotifyListener, PollingListener
from holdfast.runtime.signals.protocol import Listener
from holdfast.storage.topics import Topic

KINDS: list[Callable[[Iterable[Path]], Listener]] = [InotifyListener, PollingListener]


@pytest.fixture(params=KINDS, ids=["inotify", "polling"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[tuple[FileSignals, Listener]]:
    """Signals, and a listener of each kind on the topic WORK."""
    sender = FileSignals(tmp_path / "signals")
    sender.notify((Topic.WORK,))
    listener: Listener = request.param([tmp_path / "signals" / Topic.WORK])
    yield sender, listener
    listener.close()


def test_a_signal_before_the_wait_counts(heard: tuple[FileSignals, Listener]) -> None:
    sender, listener = heard
    sender.notify((Topic.WORK,))
    assert listener.wait(5)
    assert not listener.wait(0.05)  # once


def test_a_signal_ends_the_wait(heard: tuple[FileSignals, Listener]) -> None:
    sender, listener = heard
    timer = threading.Timer(0.05, sender.notify, ((Topic.WORK,),))
    timer.start()
    assert listener.wait(10)
    timer.join()


def test_a_signal_ends_the_wait_of_an_event_loop(heard: tuple[FileSignals, Listener]) -> None:
    sender, listener = heard

    async def main() -> bool:
        asyncio.get_running_loop().call_later(0.05, sender.notify, (Topic.WORK,))
        return await listener.wait_async(10)

    assert asyncio.run(main())


def test_other_topics_are_not_heard(heard: tuple[FileSignals, Listener]) -> None:
    sender, listener = heard
    sender.notify((Topic.CONTROL, Topic.EVENTS))
    assert not listener.wait(0.05)


def test_a_host_without_a_free_inotify_instance_is_not_deaf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used_up(_: Iterable[Path]) -> Listener:
        raise OSError(24, "inotify_init1 failed")

    monkeypatch.setattr(files, "InotifyListener", used_up)
    sender = FileSignals(tmp_path / "signals")
    listener = sender.listen((Topic.WORK,))
    sender.notify((Topic.WORK,))
    assert listener.wait(5)
    listener.close()


def test_a_folder_that_is_gone_loses_a_hint_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    FileSignals(tmp_path / "file" / "signals").notify((Topic.WORK,))
