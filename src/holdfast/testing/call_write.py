"""A write that calls a function of a test, inside the transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.storage.protocol import Writer
from holdfast.storage.writes import R, Write


@dataclass(frozen=True, slots=True)
class CallWrite(Write[R]):
    """Returns what the function returns, raises what it raises."""

    function: Callable[[], R]

    def run(self, store: Writer) -> R:
        return self.function()
