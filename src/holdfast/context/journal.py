"""This exists so that saved state and progress of an attempt go up together, in the right order, at a bounded rate."""

from __future__ import annotations

from contextvars import ContextVar
from time import monotonic
from typing import Protocol

from holdfast.context.bars import Bars
from holdfast.context.port import Flags, Port
from holdfast.context.saved import Place, Saved, Scope
from holdfast.core.errors import LeaseLost
from holdfast.core.outcome import Interrupted

PROGRESS_EVERY = 0.25
"""Seconds between two reports of progress by `track`."""
HOLD_EVERY = 0.5
"""Seconds between two saved states by `track`."""


class Loop(Protocol):
    """A track whose loop body is running."""

    journal: Journal
    place: Place
    depth: int
    shows_as_main: bool


around: ContextVar[Loop | None] = ContextVar("holdfast_loop", default=None)
"""The innermost track whose body is running here; tasks and loops that run side by side do not see each other's."""


def interrupt(flags: Flags) -> None:
    """Raise what the flags ask for. LeaseLost: the job belongs to another attempt. Interrupted: pause, cancel or stop."""
    if flags.lost:
        raise LeaseLost("this attempt no longer holds the job; another one may be running")
    if flags.cancel or flags.pause or flags.stop:
        raise Interrupted("cancelled" if flags.cancel else "paused" if flags.pause else "the worker stops")


class Journal:
    """Everything that one attempt remembers and shows, and its way up."""

    __slots__ = ("_handed", "_hold_due", "bars", "due", "port", "saved")

    def __init__(self, port: Port) -> None:
        self.port = port
        self.saved = Saved(port.attempt.saved)
        self.bars = Bars()
        self.due = 0.0  # monotonic seconds: when a track shall call `report` again
        self._hold_due = monotonic() + HOLD_EVERY
        self._handed: str = port.attempt.saved or "{}"

    def scope(self) -> Scope:
        """Where loops and steps that begin now are kept: the item of the track around them, or the job."""
        loop = around.get()
        if loop is None or loop.journal is not self:
            return self.saved.scope
        if loop.place.inner is None:
            loop.place.inner = Scope()
        return loop.place.inner

    def report(self, now: float) -> None:
        """Hand up progress, and every second time the position too. Never blocks."""
        if now >= self._hold_due:
            self.hold()
            self._hold_due = now + HOLD_EVERY
        self.show()
        self.due = now + PROGRESS_EVERY

    def show(self) -> None:
        """Hand up the progress, if the job has any."""
        if self.bars:
            self.port.progress(self.bars.text())

    def hold(self) -> None:
        """Hand up the saved state, if it is new; stored soon. Never blocks."""
        text = self.saved.text()
        if text != self._handed:
            self.port.hold(text)
            self._handed = text
        self.bars.hold_places()

    def save(self) -> None:
        """Store the saved state; durable when it returns. Raises LeaseLost."""
        text = self.saved.text()
        self.port.save(text)
        self._handed = text
        self.bars.hold_places()

    async def save_async(self) -> None:
        """`save` for an event loop."""
        text = self.saved.text()
        await self.port.save_async(text)
        self._handed = text
        self.bars.hold_places()

    def stop_here(self) -> None:
        """A flag is set: hand up where the job stands, then raise. Returns when the flag was withdrawn meanwhile."""
        flags = self.port.flags
        if flags.lost:
            interrupt(flags)
        self.hold()
        self.show()
        interrupt(flags)
