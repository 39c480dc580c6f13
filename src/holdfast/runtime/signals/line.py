"""What a broker has to provide: a connection and what is sent on it; the rest is the same for all
(`holdfast.runtime.signals.broker`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from holdfast.storage.topics import Topic

DEADLINE: Final = 4.0
"""Seconds after which a call without a response is given up, and its connection with it."""


class Line(Protocol):
    """A connection to a broker, used by one event loop, one call at a time.

    Each call ends within about DEADLINE seconds; it raises when the connection is of no use any more.
    """

    async def subscribe(self, topics: Iterable[Topic]) -> None:
        """Receive these topics too, from the moment when it returns."""
        ...

    async def publish(self, topics: Iterable[Topic]) -> None:
        """Send a signal for each of the topics to the broker."""
        ...

    async def ping(self) -> None:
        """Have the broker respond on the way that signals come."""
        ...

    async def close(self) -> None:
        """Close the connection without waiting for anything. Called once."""
        ...


class Ends(Protocol):
    """What a connection reports to its opener, on the event loop that it was opened on."""

    def heard(self, topic: Topic) -> None:
        """A signal came."""
        ...

    def lost(self, error: BaseException) -> None:
        """The connection is of no use any more."""
        ...


Opener = Callable[[Ends], Awaitable[Line]]
"""Opens a line within about DEADLINE seconds, or raises."""
