"""A loop that is being walked, and what surrounds the code that runs in its body."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from holdfast.context.places import Place, Scope
from holdfast.core.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from holdfast.context.checkpointing import CheckpointBuffer

SOURCE_WAIT = 0.5
"""A loop whose body has not run for so many seconds waits for its source."""

around: ContextVar[object | None] = ContextVar("holdfast_around", default=None)
"""What surrounds the code that runs here: the innermost loop whose body it is, or the port of the attempt outside of loops.
None in a thread that was started without a copy of the context variables."""


class Loop(ABC):
    """A loop that is being walked: its place, the scope it belongs to, and the loop around it.

    `in_body`: its body runs. `counted`: the current item was declared done by the job. `inside`: open loops that began in
    its body. `interrupted`: a checkpoint in its body has raised, so the current item is not done in this attempt any more.
    `is_foreign`: it began in a thread without the job's context variables. Changed under the journal's lock.
    """

    __slots__ = (
        "_before",
        "_left_by",
        "_seen",
        "_seen_at",
        "bar",
        "counted",
        "depth",
        "in_body",
        "inside",
        "interrupted",
        "is_foreign",
        "is_open",
        "journal",
        "label",
        "name",
        "outer",
        "owner",
        "place",
        "shows_as_main",
        "within",
    )

    place: Place

    def __init__(self, journal: CheckpointBuffer, name: str) -> None:
        self.journal = journal
        self.name = name
        self.outer: Loop | None = None
        self.depth = 1
        self.shows_as_main = False
        self.owner: object = None
        self.is_open = self.in_body = self.counted = False
        self.interrupted = self.is_foreign = False
        self._seen, self._seen_at = -1, 0.0
        self.inside = 0

    def open(self, total: float | None, *, named: bool) -> None:
        """Find the place, and the bar that shows it. Raises when a flag is set or the place does not fit."""
        journal = self.journal
        if journal.port.flags.any:
            journal.stop_here()
        with journal.lock:
            self._before = around.get()
            self.outer = journal.loop_around()
            self.is_foreign = not journal.is_known_here() or (
                self.outer is not None and self.outer.is_foreign
            )
            self.within = journal.saved.scope if self.outer is None else self.outer.scope()
            self.label, self.place = self.within.enter(self.name)
            self.owner = who_runs()
            self.is_open = True
            journal.loops[self] = None
            if self.outer is not None:
                self.outer.inside += 1
            self._show(total, named)
        if self.outer is None:
            journal.show()

    def scope(self) -> Scope:
        """Where loops and steps in the body are kept: they belong to the current item."""
        if self.counted:
            raise InvalidInput(
                "The item was declared done with ctx.item_done(); steps and loops belong before it.",
                [Problem(("item_done",), "the item is done")],
            )
        with self.journal.lock:
            if self.place.inner is None:
                self.place.inner = Scope()
            return self.place.inner

    @abstractmethod
    def item_done(self) -> None:
        """The current item is done before its body has ended."""

    def surrounds_here(self) -> bool:
        """Whether code whose context variables name this loop belongs to its item. After the loop was left before its end,
        that holds for tasks that outlive it, not for the one that has left it."""
        return self.is_open or (not self.place.ended and self._left_by is not who_runs())

    def finish(self) -> None:
        """All items are done: a later attempt does not walk through the source again."""
        journal = self.journal
        with journal.lock:
            self.place.end()
            self.mark_finished()
            journal.moved = True
        if self.outer is None:
            journal.show()

    def is_working(self, now: float) -> bool:
        """Whether its body runs, or may begin again at any moment: a loop that waits for its source long enough does not."""
        if self.in_body or self.place.shown != self._seen:
            self._seen, self._seen_at = self.place.shown, now
            return True
        return now - self._seen_at < SOURCE_WAIT

    def mark_finished(self) -> None:
        """Under the lock: finished loops of one name are kept as one mark."""
        self.within.finished(self.name, self.label)

    def leave(self) -> None:
        """The loop is left: by its end, a break or an exception."""
        with self.journal.lock:
            if not self.is_open:
                return
            self.is_open = self.in_body = False
            self._left_by = who_runs()
            self.within.open.discard(self.name)
            del self.journal.loops[self]
            if self.outer is not None:
                self.outer.inside -= 1
        found = around.get()
        while isinstance(found, Loop):
            # a loop within this one may have been left in another task, which cannot reset the variable here
            if found is self:
                around.set(self._before)
                return
            found = found.outer

    def _show(self, total: float | None, named: bool) -> None:
        bars = self.journal.bars
        main_is_taken = False
        if self.outer is not None:
            self.depth, main_is_taken = self.outer.depth + 1, self.outer.shows_as_main
        bar = bars.named(self.name or str(self.depth)) if named or main_is_taken else bars.main
        bar.follow(self.place, total)
        self.bar = bar
        self.shows_as_main = main_is_taken or bars.is_main(bar)


def job_around() -> str | None:
    """The id of the job whose code runs here, as far as its context variables are known."""
    found = around.get()
    port: Any = found.journal.port if isinstance(found, Loop) else found
    return None if port is None else port.attempt.id


def who_runs() -> object:
    """The task, or outside of event loops the thread, that runs here."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task or threading.current_thread()


def is_alive(owner: object) -> bool:
    if isinstance(owner, threading.Thread):
        return owner.is_alive()
    return isinstance(owner, asyncio.Future) and not owner.done()
