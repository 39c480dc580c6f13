"""Which attempt the code belongs to that runs here."""

from __future__ import annotations

from holdfast.context.loops import Loop, around
from holdfast.worker.executors.base import AttemptPort


class _Only:
    """The attempt of a process that runs one at a time. Threads that its job has started belong to it too."""

    port: AttemptPort | None = None


only = _Only()


def port_here() -> AttemptPort | None:
    """The port of the attempt whose code runs here, by the context variables; None outside of attempts, and in a thread that
    was started without a copy of them."""
    inside = around.get()
    if inside is None:
        return only.port
    return inside.journal.port if isinstance(inside, Loop) else inside  # type: ignore[return-value]
