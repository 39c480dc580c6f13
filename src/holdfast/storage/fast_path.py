"""What a store on a server may offer beside its verbs: a whole transaction in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from holdfast.storage.writes import Write

Channels: TypeAlias = Callable[[], Sequence[str]]


@runtime_checkable
class SingleRoundTrip(Protocol):
    """The commonest transactions in one round trip instead of three or four."""

    def execute(self, writes: Sequence[Write[Any]], channels: Channels = tuple) -> list[Any] | None:
        """A whole transaction that makes these writes. Returns the result of each; None, and nothing done, when it has to be
        made the usual way: `transaction`, and the writes one after the other. The commit of new jobs notifies the
        `channels` of the database's own signals, which are asked for only then."""
        ...
