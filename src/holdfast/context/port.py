"""This exists so that a job talks to its worker through one narrow opening, the same in the loop, in a thread, and over a
pipe from a child process: reports go up, flags come down."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Flags:
    """What the worker wants of the attempt. Set from outside, read by the job; plain attributes, so reading costs nothing.

    `pause`: stand still at the next checkpoint. `cancel`: stop for good. `stop`: the worker shuts down, hand the job back.
    `lost`: the job belongs to another attempt.
    """

    # defaults of the class: most attempts are over before anybody asks for anything
    pause = False
    cancel = False
    stop = False
    lost = False

    @property
    def any(self) -> bool:
        return self.pause or self.cancel or self.stop or self.lost


class Attempt(NamedTuple):
    """What a job may know of itself. `saved` is the JSON text of the last saved state, None for none."""

    id: str
    type: str
    attempt: int
    max_attempts: int
    fence_token: int
    args: str
    owner: str | None
    tags: tuple[str, ...]
    saved: str | None


class Port(Protocol):
    """One attempt's line to its worker."""

    flags: Flags

    @property
    def attempt(self) -> Attempt:
        """What the job may know of itself."""
        ...

    def progress(self, text: str) -> None:
        """Hand up the newest progress (JSON text); sent within half a second, the newest wins. Never blocks.

        It is never stored before a saved state that was handed up ahead of it: the progress tells what that state holds."""
        ...

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        """Hand up one console line; sent within half a second. Never blocks."""
        ...

    def hold(self, saved: str) -> None:
        """Hand up a saved state (JSON text) that is stored soon, and for certain before the attempt is ended in order.
        The newest wins. Never blocks."""
        ...

    def save(self, saved: str) -> None:
        """Store a saved state with what was handed up before it; durable when it returns. Raises LeaseLost."""
        ...

    async def save_async(self, saved: str) -> None:
        """`save` for an event loop."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep, but wake when a flag is set."""
        ...

    async def wait_async(self, seconds: float) -> None:
        """`wait` for an event loop."""
        ...
