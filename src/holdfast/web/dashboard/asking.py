"""What is asked before jobs are changed for good, and what is reported afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.core.commands import Action
from holdfast.core.principal import Principal
from holdfast.core.states import State
from holdfast.web.dashboard.format import exact, words
from holdfast.web.dashboard.lists import ShownChip
from holdfast.web.dashboard.looks import LOOKS, Look

ACTOR = Principal("dashboard")
ASKED_FIRST = frozenset({Action.CANCEL, Action.DELETE})
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
    (Action.CANCEL, State.PAUSED): "are cancelled where they stand",
    (Action.PAUSE, State.PROCESSING): "pause at their next checkpoint",
    (Action.DELETE, State.SUCCEEDED): "are removed with their result and console",
    (Action.DELETE, State.FAILED): "are removed with their error and console",
    (Action.DELETE, State.CANCELLED): "are removed with their console",
}
_EFFECT = {
    Action.PAUSE: "keep their place until someone resumes them",
    Action.RESUME: "continue from their saved state",
    Action.CANCEL: "do not run any more",
    Action.RETRY: "are queued again, from their saved state",
    Action.DELETE: "are removed",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked before something is done. `number`: must be typed; "" = need not."""

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
    chips: list[ShownChip] = field(default_factory=list[ShownChip])
    counts: list[tuple[Look, int, str]] = field(default_factory=list[tuple[Look, int, str]])


def effect(action: Action, key: str) -> str:
    """What an action does to jobs that look so."""
    state = {"pausing": "processing", "cancelling": "processing", "retrying": "scheduled"}.get(key, key)
    return _EFFECTS.get((action, State(state)), _EFFECT[action])


def rows_of(action: Action, counts: Mapping[str, int]) -> list[tuple[Look, int, str]]:
    """A line for each look that jobs have, with their number and what becomes of them."""
    return [(LOOKS[key], counts[key], effect(action, key)) for key in LOOKS if counts.get(key)]


def told(action: Action, done: int, reasons: Mapping[str, int]) -> str:
    """What an action on many jobs came to; the refused with their reasons, most frequent first."""
    lead = REQUESTED.get(action, DONE[action])
    said = f"{lead} {words(done, 'job')}."
    if not reasons:
        return said
    few = sorted(reasons.items(), key=lambda item: -item[1])
    listed = " ".join(f"{exact(count)}: {why}" for why, count in few[:3])
    more = f" And {words(sum(count for _, count in few[3:]), 'other')}." if few[3:] else ""
    refused = words(
        sum(reasons.values()), "was refused and left as it is", "were refused and left as they are"
    )
    return f"{said} {refused}. {listed}{more}"
