"""This exists so that how long an ended job is kept is one rule, and one small JSON text in every store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from holdfast.core.states import State


@dataclass(frozen=True, slots=True)
class Retention:
    """How long an ended job is kept, in seconds per state; None = until someone removes it."""

    succeeded: float | None = 86_400.0
    failed: float | None = None
    cancelled: float | None = 86_400.0

    def until(self, state: State, now: int) -> int | None:
        """When a job that ended in `state` at `now` may be removed, or None."""
        seconds: float | None = getattr(self, state)
        return None if seconds is None else now + int(seconds * 1_000_000)


def format_retention(retention: Retention | None) -> str | None:
    """The text that is stored; None when the job follows the app's settings."""
    return None if retention is None else json.dumps(asdict(retention))


def parse_retention(text: str | None) -> Retention | None:
    """The value of a stored text."""
    return None if text is None else Retention(**json.loads(text))
