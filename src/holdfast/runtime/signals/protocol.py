"""The protocol of signals.

A signal is a hint: it may be lost, doubled or late, and nothing breaks, because every listener also polls from time to
time. The kit in `holdfast.testing.signals` checks it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from holdfast.storage.topics import Topic


class Listener(Protocol):
    """Waits for signals on some topics."""

    def wait(self, timeout: float) -> bool:
        """Block until a signal comes (True) or `timeout` seconds have passed (False). Signals that came since the last wait
        count, however many as one. After `close` nothing is heard any more."""
        ...

    async def wait_async(self, timeout: float) -> bool:
        """The same for an event loop."""
        ...

    def close(self) -> None:
        """Release what it holds. Idempotent."""
        ...


class Signals(Protocol):
    """How the processes on one store wake each other. Usable from any thread and any event loop, but not across a fork: each
    process makes its own."""

    word: str
    """What it is and where, as text for a person, without a password."""

    def notify(self, topics: Iterable[Topic]) -> None:
        """Wake every listener to any of the topics, in this process and in others. Never raises, never blocks; a burst
        may be heard as one signal."""
        ...

    def listen(self, topics: Iterable[Topic]) -> Listener:
        """A listener that hears everything notified from now on. Where a connection has to be made first, or anew, the
        listener is woken once when it is open, for what it may have missed."""
        ...

    def ready(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until every listener hears; False when that is not so yet."""
        ...

    def close(self) -> None:
        """Send what waits, for a second at most, then close connections and threads. Idempotent; no effect in a forked
        child."""
        ...


@runtime_checkable
class ToldAtCommit(Protocol):
    """Signals that the database of the store itself can send at a commit. A transaction that is not ours needs these: no
    process of ours learns of its commit otherwise."""

    def channels(self, topics: Iterable[Topic]) -> list[str]:
        """The channels of the topics, for `pg_notify` with an empty payload."""
        ...

    def at_commit(self, topics: Iterable[Topic]) -> dict[Topic, str]:
        """The channels for a commit of ours that is about to happen and signals these topics in place of `notify`. Without
        those that were signalled just now, for a burst is joined; {} where the database is not known to be the same."""
        ...
