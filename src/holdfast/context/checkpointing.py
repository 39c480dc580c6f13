"""The memory of one attempt: what it has done, what is reported of it, and where a step or loop belongs."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

from holdfast.context.bars import Bars
from holdfast.context.loops import Loop, around, is_alive, who_runs
from holdfast.context.places import Scope
from holdfast.context.saved import Encode, Migrate, Saved, strict
from holdfast.context.worker_link import Delivery, Flags, Snapshot, WorkerLink
from holdfast.core.errors import InvalidInput, LeaseLost, Problem
from holdfast.core.outcome import Interrupted

HOLD_INTERVAL = 0.5
"""Seconds between two saved states that are reported at intervals."""
STATE_COST = 20
"""A state that is changed in place is copied at the end of items, so seldom that this takes 1/20 of the time at most."""


def interrupt(flags: Flags) -> None:
    """Raise what the flags ask for. LeaseLost: the job belongs to another attempt. Interrupted: pause, cancel or stop."""
    if flags.lost:
        raise LeaseLost("this attempt no longer holds the job; another one may be running")
    if flags.any:
        flags.heard = True
        raise Interrupted(_reason(flags))


def _reason(flags: Flags) -> str:
    if flags.cancel:
        return "cancelled"
    if flags.pause:
        return "paused"
    return "the worker stops" if flags.stop else "the attempt has ended"


class CheckpointBuffer:
    """Everything that one attempt remembers and shows.

    All of it is read and changed under `lock`, and a snapshot is reported under the same lock as it is made: so an older
    one never follows a newer one, whatever threads and tasks the job has.
    """

    __slots__ = (
        "_at_item",
        "_copy_due",
        "_hold_due",
        "_reported",
        "bars",
        "encode",
        "lock",
        "loops",
        "moved",
        "port",
        "saved",
        "state_in_use",
    )

    def __init__(
        self, port: WorkerLink, version: int = 1, migrate: Migrate | None = None, encode: Encode = strict
    ) -> None:
        self.port = port
        self.encode = encode
        # a loop that the garbage collector closes may need it while this thread has it
        self.lock = threading.RLock()
        self.saved = Saved(port.attempt.saved, version, migrate)
        self.bars = Bars()
        self.loops: dict[Loop, None] = {}
        """The open loops, in the order of their beginning."""
        self.state_in_use = False
        """The job has the state in its hands, so that it may change at any moment."""
        self.moved = False
        """An item, a loop or a step was finished since the last snapshot."""
        self._reported: str = port.attempt.saved or "{}"
        self._hold_due = 0.0
        self._at_item: Snapshot | None = None
        """The snapshot of the end of the last item, where the state is in use: in the middle of an item it may be ahead."""
        self._copy_due = 0.0

    # -- where code belongs -----------------------------------------------------------------------------------------------

    def scope(self) -> Scope:
        """Where steps that are called here are kept: the item of the loop around them, or the job."""
        loop = self.loop_around()
        return self.saved.scope if loop is None else loop.scope()

    def loop_around(self) -> Loop | None:
        """The loop whose body runs here, None outside of loops.

        In a thread without the job's context variables that is the innermost open loop of those that began where they are
        known; raises InvalidInput when several are open side by side, because the item could be that of any of them."""
        found = around.get()
        while isinstance(found, Loop) and found.journal is self:
            if found.surrounds_here():
                return found
            found = found.outer or self.port
        if found is self.port:
            return None
        with self.lock:
            known = [loop for loop in self.loops if not loop.is_foreign]
            outer = {loop.outer for loop in known}
            innermost = [loop for loop in known if loop not in outer]
        if len(innermost) > 1:
            names = ", ".join(repr(loop.name) for loop in innermost)
            raise InvalidInput(
                f"This was called in a thread that does not know its loop, and several are open ({names}). "
                "Use asyncio.to_thread, or start the thread with contextvars.copy_context().run.",
                [Problem(("thread",), "no context variables")],
            )
        return innermost[0] if innermost else None

    def replace_state(self, state: object) -> None:
        """Take a copy of a new state. Raises InvalidInput or TooLarge."""
        with self.lock:
            self.saved.replace_state(state)

    def is_known_here(self) -> bool:
        """Whether the context variables of the job are known where this is called."""
        found = around.get()
        return found is self.port or (isinstance(found, Loop) and found.journal is self)

    # -- reports ------------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> Any:
        """The saved state, as an object that may be changed in place."""
        self.state_in_use = True
        return self.saved.state

    def copy_state(self) -> None:
        """At the end of an item, where the state is in use: make a snapshot in which it fits the places, for `tick`. Raises
        InvalidInput for a state that cannot be stored."""
        if (now := monotonic()) >= self._copy_due:
            with self.lock:
                self._at_item = self._snapshot()
            after = monotonic()
            self._copy_due = after + STATE_COST * (after - now)

    def show(self) -> None:
        """Report the progress, if the job has any."""
        with self.lock:
            if self.bars:
                self.port.progress(self.bars.value())

    def tick(self) -> None:
        """See `Remembering`. Called from outside the job, in the middle of whatever it does: the state of that moment need
        not fit the place, so the last snapshot at the end of an item is taken."""
        with self.lock:
            if not self.moved:
                return
            now = monotonic()
            if now >= self._hold_due:
                snapshot = self._at_item if self.state_in_use else self._snapshot()
                if snapshot is not None:
                    self._report(snapshot)
                self.moved = False
                self._hold_due = now + HOLD_INTERVAL
            self.show()

    def end(self) -> str | None:
        """See `Remembering`."""
        with self.lock:
            try:
                self._report(self._snapshot())
            except InvalidInput as error:
                return str(error)
            finally:
                self.show()
            return None

    def hold(self) -> None:
        """Report where the job is now; stored soon. Never blocks."""
        with self.lock:
            self._report(self._snapshot())
            self.show()

    def save(self, *, checkpoint: bool = False) -> None:
        """Store the saved state; durable when it returns. Raises LeaseLost, StorageUnavailable, InvalidInput, TooLarge."""
        self._store(checkpoint).wait()

    async def save_async(self, *, checkpoint: bool = False) -> None:
        """`save` for an event loop."""
        await self._store(checkpoint).wait_async()

    def _store(self, checkpoint: bool) -> Delivery:
        with self.lock:
            snapshot = self._snapshot(checkpoint=checkpoint)
            if self.bars:
                self.port.progress(self.bars.value())
            delivery = self.port.store(snapshot)
            self._reported = snapshot.saved
            return delivery

    def _report(self, snapshot: Snapshot) -> None:
        if snapshot.saved != self._reported:
            self.port.hold(snapshot)
            self._reported = snapshot.saved

    def _snapshot(self, *, checkpoint: bool = False) -> Snapshot:
        text = self.saved.text()
        self._at_item = None  # this one is newer
        return Snapshot(text, self.bars.marks(checkpoint=checkpoint))

    # -- interruptions ----------------------------------------------------------------------------------------------------

    def stop_here(self) -> None:
        """A flag is set: report where the job is, then raise. Returns when the flag was withdrawn meanwhile."""
        flags = self.port.flags
        if not flags.lost:
            self.hold()
        if flags.any:
            self._mark_items()
        interrupt(flags)

    def _mark_items(self) -> None:
        """The items in whose bodies this is called are not done, even if the job swallows the interruption."""
        found = around.get()
        if isinstance(found, Loop) and found.journal is self:
            inner = [found]
        else:  # in a thread without context variables it may be any of those that such a thread can belong to
            inner = [] if found is self.port else [loop for loop in self.loops if not loop.is_foreign]
        for loop in inner:
            marked: Loop | None = loop
            while marked is not None:
                marked.interrupted = True
                marked = marked.outer

    @property
    def working(self) -> int:
        """See `Remembering`. The caller's own task or thread does not count: what it left open there is over."""
        me, now = who_runs(), monotonic()
        with self.lock:
            others = [loop for loop in self.loops if loop.owner is not me and is_alive(loop.owner)]
            return sum(loop.is_working(now) for loop in others)
