"""How long jobs and what is counted of them are kept."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass
from typing import Final

from holdfast.core.duration import MAX_SECONDS
from holdfast.core.errors import InvalidInput
from holdfast.core.sizes import load_json
from holdfast.core.states import FINAL_STATES, State

KEEP_EVENTS: Final = 600_000_000
"""Microseconds for which events that are no history of a job are kept."""

KEEP_LOST_WORKERS: Final = 86_400_000_000
"""Microseconds for which the rows of lost workers are kept."""

KEEP_BUCKETS: Final = 8 * 86_400
"""Seconds for which the buckets of the throughput chart are kept."""

KEEP_OUTCOMES: Final = 86_400
"""Seconds for which the outcomes of a minute are kept."""


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


def expires_at(state: State, retention: str | None, default: Retention, now: int) -> int | None:
    """When a job that comes to `state` at `now` expires: by its own stored retention, else by `default`. None for a state in
    which it is kept until someone removes it, and for every state that is not final."""
    if state not in FINAL_STATES:
        return None
    return (parse_retention(retention) or default).until(state, now)


def format_retention(retention: Retention | None) -> str | None:
    """The text that is stored; None when the job follows the app's settings."""
    return None if retention is None else json.dumps(asdict(retention))


def parse_retention(text: str | None) -> Retention | None:
    """The value of a stored text; None, for what the app's settings say, also where the text cannot be read."""
    if text is None:
        return None
    try:
        kept = Retention(**load_json(text, what="retention"))
    except (InvalidInput, TypeError):
        return None
    return kept if all(span is None or _is_span(span) for span in astuple(kept)) else None


def _is_span(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= MAX_SECONDS
