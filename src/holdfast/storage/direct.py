"""This exists so that a store on a server may serve a whole transaction in one exchange, and the gateway can ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

Call: TypeAlias = tuple[str, tuple[Any, ...]]
"""A writing verb and its arguments."""


Channels: TypeAlias = Callable[[], Sequence[str]]


@runtime_checkable
class Direct(Protocol):
    """What a store may offer beside its verbs where each exchange with a server is dear: the commonest transactions in one
    exchange instead of three or four."""

    def directly(self, calls: Sequence[Call], channels: Channels = tuple) -> list[Any] | None:
        """A whole transaction that makes these calls; answers what each of them answers. None, and nothing done, when it has
        to go the usual way: `transaction`, and the verbs one after the other. The commit of new jobs tells the `channels`
        of the database's own signals, which are asked for only then."""
        ...
