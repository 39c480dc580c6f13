"""Files keep every rule of signals."""

from __future__ import annotations

from pathlib import Path

from holdfast.runtime.signals import Signals
from holdfast.runtime.signals.files import FileSignals
from holdfast.testing.signals import SignalsConformance


class TestFiles(SignalsConformance):
    def make_signals(self, folder: Path) -> Signals:
        return FileSignals(folder / "signals")
