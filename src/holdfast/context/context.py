"""This exists so that a job function has one object to speak through: what it is, where it stands, and when to stop."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Iterable
from time import monotonic
from typing import Any, TypeVar

from holdfast.context.console import console_logger
from holdfast.context.journal import Journal, interrupt
from holdfast.context.port import Port
from holdfast.context.tracking import Track
from holdfast.core.limits import MAX_SAVED, check_name, dump_json

T = TypeVar("T")


class JobContext:
    """What a running job may say and hear. Name a parameter's type `JobContext` to receive it.

    Every method that is a *pause and cancel point* raises `Interrupted` when the job is to pause, to be cancelled or to be
    handed back, and `LeaseLost` when the job belongs to another attempt. Let both pass.
    """

    __slots__ = ("_args", "_journal", "_log", "_port")

    def __init__(self, port: Port) -> None:
        self._port = port
        self._args: dict[str, Any] | None = None
        self._journal: Journal | None = None
        self._log: logging.Logger | None = None

    @property
    def id(self) -> str:
        """The id of the job."""
        return self._port.attempt.id

    @property
    def type(self) -> str:
        """The name of the job type."""
        return self._port.attempt.type

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1. Pause, resume, snooze and a worker's stop do not count as a new one."""
        return self._port.attempt.attempt

    @property
    def args(self) -> dict[str, Any]:
        """The arguments as they are stored (JSON), not converted to the signature's types."""
        args = self._args
        if args is None:
            args = self._args = json.loads(self._port.attempt.args)
        return args

    @property
    def owner(self) -> str | None:
        """Whom the job belongs to."""
        return self._port.attempt.owner

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the job."""
        return self._port.attempt.tags

    @property
    def fence_token(self) -> int:
        """A number that grows with each start of this job. Hand it to outside systems that can refuse a smaller one."""
        return self._port.attempt.fence_token

    @property
    def state(self) -> Any:
        """The last saved state, `{}` at first.

        It may be changed in place: it is saved, as it is at that moment, with everything that is saved (`track`,
        `step`, and any pause). So a sum kept in `ctx.state` fits the position of the `track` around it, if it is changed
        after the last pause point of the loop body.
        """
        return self._memory.saved.state

    def checkpoint(self, state: Any) -> None:
        """Store `state` (JSON, at most 1 MiB), and with it all positions and steps; durable when it returns.
        Then a pause and cancel point.

        Inside the body of a `track` the item in hand is not done yet: it comes again after a pause, with this state.
        Raises InvalidInput or TooLarge (with the place in it) when it cannot be stored, LeaseLost, StorageUnavailable.
        """
        memory = self._memory
        memory.saved.replace_state(state)
        memory.save()
        self._after_checkpoint(memory)

    async def checkpoint_async(self, state: Any) -> None:
        """`checkpoint` that leaves the event loop free while it is stored."""
        memory = self._memory
        memory.saved.replace_state(state)
        await memory.save_async()
        self._after_checkpoint(memory)

    def track(
        self,
        iterable: Iterable[T] | AsyncIterable[T],
        total: float | None = None,
        name: str | None = None,
        every: int | None = None,
        key: Callable[[T], Any] | None = None,
    ) -> Track[T]:
        """Walk through `iterable` with progress, saved position, and a pause and cancel point at every item.

        For `for`, and for `async for` with both kinds of iterables. An item is done when the loop body asks for the
        next one. After a pause or a worker's stop the loop goes on at the next item; after a crash at the last held
        one (about half a second back). A loop that was finished is skipped wholly. The source must give the same items
        again in the same order; where it does not (rows are removed meanwhile), give `key`: a function from an item to
        a JSON value. The loop then goes on behind the item with the saved key, and raises LookupError when there is
        none.

        `total`: defaults to `len()` where there is one. `name`: a bar of its own beside the main bar; loops with the
        same name (or none) are told apart by their order. A loop inside the body of another one belongs to the item of
        the outer loop. `every`: store the position durably after each so many items, before the next one begins; this
        blocks, so use `async for` in an `async def` job, which keeps the loop free.
        """
        return Track(self._memory, iterable, total, name, every, key)

    def step(self, name: str, fn: Callable[..., T], *args: Any) -> T:
        """Run `fn(*args)` once and store its result (JSON) under `name`; a later call with that name, in this or a
        resumed attempt, answers the stored result and does not run it. Give each step of a job its own name.

        The answer is what JSON reads back (a tuple is a list), the first time too. Inside the body of a `track` a step
        belongs to the item in hand. A pause and cancel point before `fn` is run. A crash between the end of `fn` and
        the storing runs it again.
        """
        memory = self._memory
        steps = memory.scope().steps
        text = steps.get(check_name(name, loc=("step",)))
        if text is None:
            self.raise_if_interrupted()
            result = fn(*args)
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise TypeError(
                    f"step {name!r}: the function is asynchronous; use `await ctx.step_async(...)`"
                )
            text = steps[name] = dump_json(result, what="step result", limit=MAX_SAVED)
            memory.save()
        return json.loads(text)

    async def step_async(self, name: str, fn: Callable[..., Awaitable[T] | T], *args: Any) -> T:
        """`step` for an event loop; `fn` may be asynchronous."""
        memory = self._memory
        steps = memory.scope().steps
        text = steps.get(check_name(name, loc=("step",)))
        if text is None:
            self.raise_if_interrupted()
            result = fn(*args)
            if inspect.isawaitable(result):
                result = await result
            text = steps[name] = dump_json(result, what="step result", limit=MAX_SAVED)
            await memory.save_async()
        return json.loads(text)

    def progress(
        self, done: float, total: float | None = None, message: str | None = None, name: str | None = None
    ) -> None:
        """Show how far the job is, on the main bar or on one named `name` (the newest 50 are kept). Seen within a second.
        Never blocks; the newest wins. Raises InvalidInput for a number that is not finite."""
        memory = self._memory
        memory.bars.say(name, done, total, message)
        memory.show()

    @property
    def log(self) -> logging.Logger:
        """A logger whose lines go to the job's console; `extra={...}` becomes fields. Lines are cut at 8 KiB."""
        if self._log is None:
            self._log = console_logger(self.type, self._port)
        return self._log

    @property
    def cancelled(self) -> bool:
        """Whether the job is to be cancelled. After the grace time it is ended by force."""
        return self._port.flags.cancel

    @property
    def pausing(self) -> bool:
        """Whether the job is to pause, or its worker is stopping and wants to hand it back."""
        return self._port.flags.pause or self._port.flags.stop

    def raise_if_interrupted(self) -> None:
        """A pause and cancel point, and nothing else."""
        if self._port.flags.any:
            if self._journal is None:
                interrupt(self._port.flags)
            else:
                self._journal.stop_here()

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait; wakes for pause and cancel, as which it is a point before and after. Not stored: a resumed job sleeps anew.

        In a `def` job write `ctx.sleep(1)`: it blocks, and what it answers may be ignored. In an `async def` job write
        `await ctx.sleep(1)`: on a running event loop it is `sleep_async`, because blocking there would stop all other jobs.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._sleep_here(seconds)
            return _SLEPT
        return self.sleep_async(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """`sleep` for an event loop."""
        until = monotonic() + seconds
        self.raise_if_interrupted()
        while (left := until - monotonic()) > 0:
            await self._port.wait_async(left)
            self.raise_if_interrupted()

    def _sleep_here(self, seconds: float) -> None:
        until = monotonic() + seconds
        self.raise_if_interrupted()
        while (left := until - monotonic()) > 0:
            self._port.wait(left)
            self.raise_if_interrupted()

    def _after_checkpoint(self, memory: Journal) -> None:
        memory.bars.hold_all()
        memory.show()
        self.raise_if_interrupted()

    @property
    def _memory(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._port)
        return self._journal


class _Slept:
    """An await that is over already."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


_SLEPT = _Slept()
