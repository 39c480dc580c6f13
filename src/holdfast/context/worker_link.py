"""The connection between a running job and its worker: reports to the worker, flags to the job."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Flags:
    """Requests of the worker to the attempt. Set from outside, read by the job.

    `pause`: stop at the next checkpoint and keep the place. `cancel`: stop for good. `stop`: the worker shuts down, release
    the job. `lost`: the job belongs to another attempt. `ended`: the function has returned or raised; what it left running
    stops at its next checkpoint. `any`: at least one of them, a plain attribute because every item of a loop reads it.
    """

    # defaults of the class: most attempts are over before any of them is set
    pause = False
    cancel = False
    stop = False
    lost = False
    ended = False
    any = False
    heard = False
    """A checkpoint has raised because of one of them."""

    def __setattr__(self, name: str, value: bool) -> None:
        members = self.__dict__
        members[name] = value
        members["any"] = self.pause or self.cancel or self.stop or self.lost or self.ended


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


class Snapshot(NamedTuple):
    """What an attempt remembers at one moment: the saved state as JSON text, and what it holds of each progress bar, by the
    `key` of the bar. Snapshots of an attempt are reported in the order in which they are made."""

    saved: str
    held: dict[str, float]


class Remembering(Protocol):
    """The memory of an attempt, as its worker sees it. Any thread may call."""

    def tick(self) -> None:
        """Called about twice a second while the attempt runs: report the place and the progress if they have changed."""
        ...

    def end(self) -> str | None:
        """The function has been left: report the place, the state and the progress as they are now. Returns why the state
        cannot be stored, None when it can."""
        ...

    @property
    def working(self) -> int:
        """How many loops of other tasks and threads of the attempt run now. One that waits for its source does not count."""
        ...


class Delivery(Protocol):
    """A snapshot on its way to the store."""

    def wait(self) -> None:
        """Block until it is stored. Raises LeaseLost or StorageUnavailable."""
        ...

    async def wait_async(self) -> None:
        """`wait` that leaves the event loop free."""
        ...


class WorkerLink(Protocol):
    """One attempt's connection to its worker."""

    flags: Flags
    memory: Remembering | None
    """The memory of the attempt, None until the job uses it."""

    @property
    def attempt(self) -> Attempt:
        """What the job may know of itself."""
        ...

    def remember(self, memory: Remembering) -> None:
        """The job has begun to use its memory: set `memory`, and have `tick` called about twice a second from now on."""
        ...

    def progress(self, value: dict[str, Any]) -> None:
        """Report the newest progress; sent within half a second, the newest wins. Never blocks.

        `value` has the form of `holdfast.client.views.Progress`, and beside that a `key` in itself and in each of its bars.
        When it is sent, the keys are taken out, and `held` is set to what `Snapshot.held` has under that key in the newest
        snapshot that is stored or is sent with it (else it stays as it came): so the stored progress never claims more than
        the stored state holds. `value` is not changed by this, it may be sent again."""
        ...

    def log(self, at: int, level: str, message: str, fields: str | None) -> None:
        """Report one console line; sent within half a second. Never blocks."""
        ...

    def hold(self, snapshot: Snapshot) -> None:
        """Report a snapshot that is stored soon, with the end of the attempt at the latest. The newest wins."""
        ...

    def store(self, snapshot: Snapshot) -> Delivery:
        """Report a snapshot that is sent at once, with what was reported before it. Never blocks: the delivery does. An
        older snapshot never replaces a newer one."""
        ...

    def wait(self, seconds: float) -> None:
        """Sleep, but wake when a flag is set."""
        ...

    async def wait_async(self, seconds: float) -> None:
        """`wait` for an event loop."""
        ...
