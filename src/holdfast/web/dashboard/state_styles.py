"""The word, icon and meaning of each state; the colour follows from `data-state`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from holdfast.core.states import Request, State


@dataclass(frozen=True, slots=True)
class StateStyle:
    """How a state is shown. `key` is the value of `data-state`; `search` finds all jobs with this style. `meaning` and
    `search` are empty where the style is not one of a job's states."""

    key: str
    word: str
    icon: str
    meaning: str = ""
    search: str = ""


STATE_STYLES: dict[str, StateStyle] = {
    style.key: style
    for style in (
        StateStyle("scheduled", "Scheduled", "scheduled", "waits for its time", "state:scheduled"),
        StateStyle("awaiting", "Waiting", "awaiting", "waits for its parents", "state:awaiting"),
        StateStyle("enqueued", "Queued", "enqueued", "ready, waits for a worker", "state:enqueued"),
        StateStyle("processing", "Running", "processing", "on a worker now", "state:processing"),
        StateStyle(
            "pausing", "Pausing", "paused", "requested; stops at the next checkpoint", "state:pausing"
        ),
        StateStyle("paused", "Paused", "paused", "paused at its last checkpoint", "state:paused"),
        StateStyle(
            "cancelling",
            "Cancelling",
            "cancelled",
            "requested; killed after the grace period",
            "state:cancelling",
        ),
        StateStyle("cancelled", "Cancelled", "cancelled", "stopped by a person or a rule", "state:cancelled"),
        StateStyle("succeeded", "Succeeded", "succeeded", "done, result saved", "state:succeeded"),
        StateStyle(
            "failed", "Failed", "failed", "failed permanently; kept until retried or deleted", "state:failed"
        ),
        StateStyle("retrying", "Retrying", "retrying", "scheduled again after a failure", "state:retrying"),
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


def style_of(job: _Stateful) -> StateStyle:
    """The style of a job, by its state, what is requested of it, and why it waits."""
    if job.state == State.PROCESSING and job.requested == Request.PAUSE:
        return STATE_STYLES["pausing"]
    if job.state == State.PROCESSING and job.requested == Request.CANCEL:
        return STATE_STYLES["cancelling"]
    if job.state == State.SCHEDULED and job.reason == "retry":
        return STATE_STYLES["retrying"]
    return style_of_state(job.state)


def style_of_state(key: str) -> StateStyle:
    """The style of a state by its key; a plain one for a state that this version does not know."""
    unknown = StateStyle(key, key.capitalize(), "warn", "a state that this version does not know")
    return STATE_STYLES.get(key, unknown)
