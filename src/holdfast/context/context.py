"""The object through which a job function speaks: what it is, where it is, and when to stop."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Iterable
from time import monotonic
from typing import Any, TypeVar, overload

from holdfast.context.checkpointing import CheckpointBuffer, interrupt
from holdfast.context.console import console_logger
from holdfast.context.loops import around
from holdfast.context.mapping import Mapping
from holdfast.context.saved import Encode, Migrate, strict
from holdfast.context.steps import Step
from holdfast.context.tracking import Source, Track
from holdfast.context.worker_link import WorkerLink
from holdfast.core.errors import InvalidInput, Problem

T = TypeVar("T")
R = TypeVar("R")

_BEGINNING = threading.Lock()


class JobContext:
    """The connection of a running job to its worker. Name a parameter's type `JobContext` to receive it.

    Every method that is a *pause and cancel point* raises `Interrupted` when the job is to pause, to be cancelled or to be
    released, and `LeaseLost` when the job belongs to another attempt. Let both pass.
    """

    __slots__ = ("_args", "_encode", "_journal", "_log", "_migrate", "_port", "_state_version")

    def __init__(
        self,
        port: WorkerLink,
        state_version: int = 1,
        migrate: Migrate | None = None,
        encode: Encode = strict,
    ) -> None:
        """`encode`: how results of steps and of map become JSON text."""
        self._port = port
        around.set(port)
        self._encode = encode
        self._state_version = state_version
        self._migrate = migrate
        self._args: dict[str, Any] | None = None
        self._journal: CheckpointBuffer | None = None
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
        return self._memory.state

    def checkpoint(self, state: Any) -> None:
        """Store `state` (JSON, at most 1 MiB), and with it all positions and steps; durable when it returns.
        Then a pause and cancel point.

        Inside the body of a `track` the current item is not done yet: it is run again after a pause, with this state.
        `state` is copied; what `ctx.state` returned before has the new contents. Raises InvalidInput or TooLarge (with the
        place in it) when it cannot be stored, LeaseLost, StorageUnavailable.
        """
        memory = self._memory
        memory.replace_state(state)
        memory.save(checkpoint=True)
        self.raise_if_interrupted()

    async def checkpoint_async(self, state: Any) -> None:
        """`checkpoint` that leaves the event loop free while it is stored."""
        memory = self._memory
        memory.replace_state(state)
        await memory.save_async(checkpoint=True)
        self.raise_if_interrupted()

    def track(
        self,
        iterable: Iterable[T] | AsyncIterable[T],
        total: float | None = None,
        name: str | None = None,
        every: int | None = None,
        after: Callable[[T], Any] | None = None,
        key: Callable[[T], Any] | None = None,
    ) -> Track[T]:
        """Walk through `iterable` with progress, saved position, and a pause and cancel point at every item.

        For `for`, and for `async for` with both kinds of iterables. An item is done when the loop body asks for the
        next one. The position is saved about twice a second and at every end of an attempt: after a pause, a stop, a
        failure or `Snooze` the loop continues at the next item, after a crash at the last held one (about half a second
        back). A loop that was finished is passed over as a whole. A loop that was left by `break` or `return` is not
        finished: a later attempt runs the item of the break again.

        How it continues depends on the source: without `after` and `key` it must give the same items in the same order
        again. `after`: a function from an item to a number or text by which the source is sorted; the loop continues with
        the first greater one, so rows may vanish once they are done (see `cursor`). `key`: a function from an item to what
        identifies it; the items may come in any order, and the keys of the finished ones are kept (at most 512 KiB). Sets
        and other sources without a lasting order are refused without `key`.

        `total`: defaults to `len()` where there is one. `name`: a bar of its own beside the main bar; loops with the
        same name (or none) are told apart by their order, so give loops that run side by side, or whose order may change
        with the code, names of their own. A loop inside the body of another one belongs to the item of the outer loop.
        `every`: store the position durably after each so many items, before the next one begins; this blocks, so use
        `async for` in an `async def` job, which keeps the event loop free.

        Raises InvalidInput for what cannot be, CheckpointMismatch when the saved position does not fit the source any
        more (it has fewer items than were done, another length, another item at the position): no item is passed over.
        """
        return Track(self._memory, Source.of(iterable, total, name, every, after, key))

    @overload
    def map(
        self,
        function: Callable[[T], Awaitable[R]],
        iterable: Iterable[T] | AsyncIterable[T],
        parallel: int = 8,
        *,
        total: float | None = None,
        name: str | None = None,
        every: int | None = None,
        after: Callable[[T], Any] | None = None,
        key: Callable[[T], Any] | None = None,
    ) -> Awaitable[list[R]]: ...

    @overload
    def map(
        self,
        function: Callable[[T], R],
        iterable: Iterable[T],
        parallel: int = 8,
        *,
        total: float | None = None,
        name: str | None = None,
        every: int | None = None,
        after: Callable[[T], Any] | None = None,
        key: Callable[[T], Any] | None = None,
    ) -> list[R]: ...

    def map(
        self,
        function: Callable[[Any], Any],
        iterable: Iterable[Any] | AsyncIterable[Any],
        parallel: int = 8,
        *,
        total: float | None = None,
        name: str | None = None,
        every: int | None = None,
        after: Callable[[Any], Any] | None = None,
        key: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Call `function(item)` for every item, up to `parallel` at once, and return the list of results in the order of
        the items.

        In an `async def` job write `await ctx.map(...)`; a function that is not asynchronous runs in threads there. In a
        `def` job `ctx.map(...)` returns the list, and the function runs in threads. Each item is done, and held like that
        of a `track`, when its call has returned; the other parameters are those of `track`. A pause or cancel begins no
        further item and lets those that run finish. The first exception does the same and is raised then. Results are
        saved with the position (JSON, within the limit of the saved state), so return None where they are large.
        """
        work = Mapping(self._memory, Source.of(iterable, total, name, every, after, key), function, parallel)
        return work.run()

    def item_done(self) -> None:
        """The current item is done now, before its body has ended: a pause while the body still waits continues with the
        next item. Steps and loops of the item belong before it. Raises InvalidInput outside of a loop."""
        loop = self._memory.loop_around()
        if loop is None:
            raise InvalidInput(
                "item_done: no track is open here", [Problem(("item_done",), "outside of a track")]
            )
        loop.item_done()

    def cursor(self, name: str | None = None) -> Any:
        """The key of the last finished item of the `track(..., after=key, name=name)` that comes next here, None when none
        is finished: for a query that gives only the rest (`WHERE id > :cursor ORDER BY id`)."""
        place = self._memory.scope().next_place(name or "")
        return None if place is None else place.cursor

    def step(self, name: str, fn: Callable[..., T], *args: Any) -> T:
        """Run `fn(*args)` once and store its result (JSON) under `name`; a later call with that name, in this or a
        resumed attempt, returns the stored result and does not run it. Give each step of a job its own name: a call
        with other arguments under a name that was used is refused.

        The result is stored like the result of a job (datetime, UUID, Decimal, models, bytes and sets too), and is what
        JSON reads back (a tuple or a set is a list, a datetime is text), the first time too. One that cannot be stored
        raises InvalidInput, which fails the job for good. Inside the body of a `track` a step
        belongs to the current item. A pause and cancel point before `fn` is run. A crash between the end of `fn` and
        the storing runs it again.
        """
        with Step(self._memory, name, fn, args) as step:
            if not step.is_stored:
                self.raise_if_interrupted()
                result = fn(*args)
                if inspect.isawaitable(result):
                    if inspect.iscoroutine(result):
                        result.close()
                    raise TypeError(
                        f"step {name!r}: the function is asynchronous; use `await ctx.step_async(...)`"
                    )
                step.keep(result)
                self._memory.save()
            return step.result()

    async def step_async(self, name: str, fn: Callable[..., Awaitable[T] | T], *args: Any) -> T:
        """`step` for an event loop; `fn` may be asynchronous."""
        with Step(self._memory, name, fn, args) as step:
            if not step.is_stored:
                self.raise_if_interrupted()
                result = fn(*args)
                if inspect.isawaitable(result):
                    result = await result
                step.keep(result)
                await self._memory.save_async()
            return step.result()

    def progress(
        self, done: float, total: float | None = None, message: str | None = None, name: str | None = None
    ) -> None:
        """Show how far the job is, on the main bar or on one named `name` (the newest 50 are kept). Seen within a second.
        Never blocks; the newest wins. Raises InvalidInput for a number that is not finite."""
        memory = self._memory
        with memory.lock:
            memory.bars.set(name, done, total, message)
        memory.show()

    @property
    def log(self) -> logging.Logger:
        """A logger whose lines go to the job's console; `extra={...}` becomes fields. Lines are cut at 8 KiB.

        What a job prints, or logs with other loggers (from INFO on), goes there too, see the setting `capture_output`."""
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

        In a `def` job write `ctx.sleep(1)`: it blocks, and what it returns may be ignored. In an `async def` job write
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

    @property
    def _memory(self) -> CheckpointBuffer:
        if self._journal is None:
            journal = CheckpointBuffer(self._port, self._state_version, self._migrate, self._encode)
            with _BEGINNING:  # several threads of a job may be the first
                if self._journal is None:
                    self._journal = journal
                    self._port.remember(journal)
        return self._journal


class _Slept:
    """An await that is over already."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


_SLEPT = _Slept()
