"""Decides what becomes of a job whose worker is dead."""

from __future__ import annotations

from typing import NamedTuple

from holdfast.core.job import CRASHES_BEFORE_ISOLATION
from holdfast.core.retention import Retention, expires_at
from holdfast.core.states import FINAL_STATES, TRANSITIONS, Request, State, Verb


class Rescue(NamedTuple):
    """The state in which a rescued job continues or ends, and why. Times are microseconds since the epoch."""

    verb: Verb
    reason: str
    actor: str | None
    crashes: int
    finished_at: int | None
    expires_at: int | None

    @property
    def target(self) -> State:
        return TRANSITIONS[self.verb].target

    @property
    def continues(self) -> bool:
        """Whether the next claim continues the same attempt."""
        return not TRANSITIONS[self.verb].counts_attempt


def decide_rescue(
    *,
    requested: str | None,
    requested_reason: str | None,
    requested_by: str | None,
    crashes: int,
    retention: str | None,
    why: str,
    default: Retention,
    now: int,
) -> Rescue:
    """An accepted cancel or pause is honoured; every other job is enqueued again, with the reason `why`. `crashes` grows up
    to CRASHES_BEFORE_ISOLATION: from then on only the death of a child process in which it runs alone counts further."""
    verb, reason, actor = Verb.RESCUE, why, None
    if requested is not None:
        verb = Verb.STOP if requested == Request.CANCEL else Verb.SUSPEND
        reason, actor = requested_reason or TRANSITIONS[verb].target.value, requested_by
    target = TRANSITIONS[verb].target
    ended = now if target in FINAL_STATES else None
    expires = expires_at(target, retention, default, now)
    return Rescue(
        verb, reason, actor, max(crashes, min(crashes + 1, CRASHES_BEFORE_ISOLATION)), ended, expires
    )
