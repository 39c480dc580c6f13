"""This exists so that single keys are read from a terminal while something else is shown on it."""

from __future__ import annotations

import os
import select
import sys
from types import TracebackType
from typing import Any


class Keys:
    """Keys pressed on standard input, where that is a terminal; restores the terminal at its end, whatever happens."""

    def __init__(self) -> None:
        self.there = sys.stdin.isatty()
        self._before: list[Any] | None = None

    def __enter__(self) -> Keys:
        if self.there:
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)

    def pressed(self) -> str:
        """The keys since the last look; never waits."""
        if not self.there or not select.select([sys.stdin], [], [], 0)[0]:
            return ""
        data = os.read(sys.stdin.fileno(), 64)
        if not data:
            self.there = False  # the terminal is gone
        return data.decode(errors="ignore").lower()
