"""Polling keeps every rule of signals, with a store that changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.runtime.signals import Signals, choose_signals
from holdfast.storage.sqlite import SqliteStore
from holdfast.testing import new_job
from holdfast.testing.signals import SignalsConformance


class TestPolling(SignalsConformance):
    @pytest.fixture(autouse=True)
    def stores(self) -> Iterator[None]:
        self._stores: dict[tuple[int, Path], SqliteStore] = {}
        yield
        for (process, _), store in self._stores.items():
            if process == os.getpid():
                store.close()

    def store(self, folder: Path) -> SqliteStore:
        key = (os.getpid(), folder)
        if key not in self._stores:
            folder.mkdir(exist_ok=True)
            self._stores[key] = SqliteStore(folder / "holdfast.db")
            self._stores[key].open()
        return self._stores[key]

    def make_signals(self, folder: Path) -> Signals:
        return choose_signals("poll:", "sqlite:///any.db", self.store(folder))

    def commit(self, folder: Path) -> None:
        with self.store(folder).transaction():
            self.store(folder).insert([new_job()])
