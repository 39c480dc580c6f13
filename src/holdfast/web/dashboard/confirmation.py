"""The confirmation before an action that cannot be undone, and the report after one on many jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.core.commands import Action
from holdfast.core.principal import Principal
from holdfast.core.states import State
from holdfast.web.dashboard.format import exact, pluralize
from holdfast.web.dashboard.jobs.filters import Chip
from holdfast.web.dashboard.state_styles import STATE_STYLES, StateStyle

ACTOR = Principal("dashboard")
NEEDS_CONFIRMATION = frozenset({Action.CANCEL, Action.DELETE})
CONFIRM_NUMBER_ABOVE = 100

DONE = {
    Action.PAUSE: "Paused",
    Action.RESUME: "Resumed",
    Action.CANCEL: "Cancelled",
    Action.RETRY: "Queued again",
    Action.DELETE: "Deleted",
}

DOING = {
    Action.PAUSE: "Pausing",
    Action.RESUME: "Resuming",
    Action.CANCEL: "Cancelling",
    Action.RETRY: "Retrying",
    Action.DELETE: "Deleting",
}
REQUESTED = {Action.PAUSE: "Pause requested for", Action.CANCEL: "Cancel requested for"}

_EFFECTS = {
    (Action.CANCEL, State.ENQUEUED): "leave the queue at once",
    (Action.CANCEL, State.SCHEDULED): "do not start",
    (Action.CANCEL, State.AWAITING): "do not start",
    (Action.CANCEL, State.PROCESSING): "stop at their next checkpoint, by force after the grace time",
    (Action.CANCEL, State.PAUSED): "are cancelled at their saved place",
    (Action.PAUSE, State.PROCESSING): "pause at their next checkpoint",
    (Action.DELETE, State.SUCCEEDED): "are removed with their result and console",
    (Action.DELETE, State.FAILED): "are removed with their error and console",
    (Action.DELETE, State.CANCELLED): "are removed with their console",
}

_EFFECT = {
    Action.PAUSE: "keep their place until they are resumed",
    Action.RESUME: "continue from their saved state",
    Action.CANCEL: "do not run any more",
    Action.RETRY: "are queued again, from their saved state",
    Action.DELETE: "are removed",
}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A question before an action. `reason`: the hint of the field for a reason, "" = no field. `number`: must be typed, ""
    = need not. `none`: nothing allows the action."""

    title: str
    action: str
    go: str
    keep: str
    back: str
    text: str = ""
    danger: bool = False
    reason: str = ""
    number: str = ""
    number_wrong: bool = False
    none: bool = False
    hidden: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    chips: list[Chip] = field(default_factory=list[Chip])
    counts: list[tuple[StateStyle, int, str]] = field(default_factory=list[tuple[StateStyle, int, str]])


def effect(action: Action, key: str) -> str:
    """What an action does to jobs in the state with this style."""
    state = {"pausing": "processing", "cancelling": "processing", "retrying": "scheduled"}.get(key, key)
    return _EFFECTS.get((action, State(state)), _EFFECT[action])


def effect_rows(action: Action, counts: Mapping[str, int]) -> list[tuple[StateStyle, int, str]]:
    """A row for each style that jobs have: their number, and what the action does to them."""
    return [(STATE_STYLES[key], counts[key], effect(action, key)) for key in STATE_STYLES if counts.get(key)]


def bulk_report(action: Action, done: int, reasons: Mapping[str, int]) -> str:
    """The outcome of an action on many jobs; refusals with their reasons, most frequent first."""
    report = f"{REQUESTED.get(action, DONE[action])} {pluralize(done, 'job')}."
    if not reasons:
        return report
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    listed = " ".join(f"{exact(count)}: {why}" for why, count in ordered[:3])
    more = f" And {pluralize(sum(count for _, count in ordered[3:]), 'other')}." if ordered[3:] else ""
    refused = pluralize(
        sum(reasons.values()), "was refused and left as it is", "were refused and left as they are"
    )
    return f"{report} {refused}. {listed}{more}"
