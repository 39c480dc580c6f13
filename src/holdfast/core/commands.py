"""Decides what pause, resume, cancel, retry and delete do to a job; pure, the same for page, REST, CLI and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from holdfast.core.errors import Conflict, NotFound
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, State, Verb

Key = TypeVar("Key")

GONE: Final = "There is no such job; it never was, or its retention is over."
KEY_HELD: Final = "Another live job of this type holds the same unique key."
"""Why a command is refused, where the state of the job is not the reason."""


class Action(StrEnum):
    """What a person can ask of one job, or of all jobs that match a search."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision needs to know of a job. Times are microseconds since the epoch."""

    state: State
    requested: Request | None
    run_at: int | None
    waits_for_parents: bool
    now: int


@dataclass(frozen=True, slots=True)
class ChangeState:
    """The job changes its state at once."""

    verb: Verb


@dataclass(frozen=True, slots=True)
class SetRequest:
    """The job is being processed: the request is stored (None = withdrawn) and takes effect at its next checkpoint."""

    request: Request | None


@dataclass(frozen=True, slots=True)
class Delete:
    """The job and all that belongs to it are deleted."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The state does not allow the action; `why` is the message for the user."""

    why: str


Decision = ChangeState | SetRequest | Delete | Reject

ALLOWED: dict[Action, frozenset[State]] = {
    Action.PAUSE: TRANSITIONS[Verb.PAUSE].sources | {State.PROCESSING},
    Action.RESUME: frozenset({State.PAUSED}),
    Action.CANCEL: TRANSITIONS[Verb.CANCEL].sources | {State.PROCESSING},
    Action.RETRY: TRANSITIONS[Verb.RETRY].sources,
    Action.DELETE: FINAL_STATES,
}
"""States that allow each action (resume also withdraws a pause that was only requested, see `decide`)."""


def decide(action: Action, facts: Facts) -> Decision:
    """What `action` means for a job in this state. Pure; the store applies the decision in one guarded statement."""
    state = facts.state
    if action is Action.RESUME and state is State.PROCESSING and facts.requested is Request.PAUSE:
        return SetRequest(None)
    if state not in ALLOWED[action]:
        return Reject(_why_not(action, facts))
    match action:
        case Action.PAUSE:
            if state is not State.PROCESSING:
                return ChangeState(Verb.PAUSE)
            if facts.requested is Request.CANCEL:
                return Reject("A cancel has been requested; it cannot be turned into a pause.")
            return SetRequest(Request.PAUSE)
        case Action.RESUME:
            if facts.waits_for_parents:
                return ChangeState(Verb.RESUME_WAITING)
            early = facts.run_at is not None and facts.run_at > facts.now
            return ChangeState(Verb.RESUME_LATER if early else Verb.RESUME)
        case Action.CANCEL:
            return SetRequest(Request.CANCEL) if state is State.PROCESSING else ChangeState(Verb.CANCEL)
        case Action.RETRY:
            return ChangeState(Verb.RETRY)
        case Action.DELETE:
            return Delete()


def check_refusal(job_id: str, refused: str | None) -> None:
    """What a command on one job raises that was refused: NotFound or Conflict. Nothing where it was not (None)."""
    if refused == GONE:
        raise NotFound(f"There is no job {job_id}; it never was, or its retention is over.")
    if refused is not None:
        raise Conflict(refused)


def decide_each(action: Action, facts: Mapping[Key, Facts]) -> dict[Decision, list[Key]]:
    """`decide` for many jobs: those for which it is the same, together, in the order of `facts`."""
    groups: dict[Decision, list[Key]] = {}
    for key, one in facts.items():
        groups.setdefault(decide(action, one), []).append(key)
    return groups


def _why_not(action: Action, facts: Facts) -> str:
    fitting = ", ".join(state for state in State if state in ALLOWED[action])
    return f"The job is {facts.state}; only {fitting} jobs can be {PARTICIPLE[action]}."


PARTICIPLE = {
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.CANCEL: "cancelled",
    Action.RETRY: "retried",
    Action.DELETE: "deleted",
}
