"""The word, icon and meaning of each state; the colour follows from `data-state`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from holdfast.core.states import Request, State


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown. `key` is the value of `data-state`; `search` finds all jobs that look so."""

    key: str
    word: str
    icon: str
    meaning: str
    search: str


LOOKS: dict[str, Look] = {
    look.key: look
    for look in (
        Look("scheduled", "Scheduled", "scheduled", "waits for its time", "state:scheduled"),
        Look("awaiting", "Waiting", "awaiting", "waits for its parents", "state:awaiting"),
        Look("enqueued", "Queued", "enqueued", "ready, waits for a worker", "state:enqueued"),
        Look("processing", "Running", "processing", "on a worker now", "state:processing"),
        Look("pausing", "Pausing", "paused", "requested; stops at the next checkpoint", "state:pausing"),
        Look("paused", "Paused", "paused", "paused at its last checkpoint", "state:paused"),
        Look(
            "cancelling",
            "Cancelling",
            "cancelled",
            "requested; killed after the grace period",
            "state:cancelling",
        ),
        Look("cancelled", "Cancelled", "cancelled", "stopped by a person or a rule", "state:cancelled"),
        Look("succeeded", "Succeeded", "succeeded", "done, result saved", "state:succeeded"),
        Look(
            "failed", "Failed", "failed", "failed permanently; kept until retried or deleted", "state:failed"
        ),
        Look("retrying", "Retrying", "retrying", "scheduled again after a failure", "state:retrying"),
    )
}

TABS = (
    "scheduled",
    "awaiting",
    "enqueued",
    "processing",
    "paused",
    "retrying",
    "succeeded",
    "failed",
    "cancelled",
)
"""The state tabs of the jobs page, in the order in which a job meets them."""


class _Stateful(Protocol):
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def requested(self) -> str | None: ...


def look_of(job: _Stateful) -> Look:
    """The look of a job: its state, told apart further by what has been asked of it and by why it waits."""
    if job.state == State.PROCESSING and job.requested == Request.PAUSE:
        return LOOKS["pausing"]
    if job.state == State.PROCESSING and job.requested == Request.CANCEL:
        return LOOKS["cancelling"]
    if job.state == State.SCHEDULED and job.reason == "retry":
        return LOOKS["retrying"]
    return look_of_state(job.state)


def look_of_state(key: str) -> Look:
    """The look of a state by its key; a plain one for a state that this version does not know."""
    return LOOKS.get(key) or Look(
        key, key.capitalize(), "warn", "a state that this version does not know", ""
    )
