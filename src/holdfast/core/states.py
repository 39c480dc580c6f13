"""The states of a job and every legal transition between them, as data.

Everything else reads this table: the stores take the sets of source states from it, commands are decided by it, the
diagram in the documentation is generated from it, and the conformance kit walks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DIED: Final = "process died"
LEASE_EXPIRED: Final = "lease expired"
"""Reasons of a rescue. The first one may be followed by how the process died: "process died (SIGKILL)"."""


class State(StrEnum):
    """Where a job is. Exactly one at a time, kept in one column of one row."""

    SCHEDULED = "scheduled"  # waits for its time; also between two attempts, then with the reason "retry"
    AWAITING = "awaiting"  # waits for other jobs
    ENQUEUED = "enqueued"  # may be claimed now
    PROCESSING = "processing"  # claimed by a living worker
    PAUSED = "paused"  # waits until a user resumes it
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # kept until someone acts
    CANCELLED = "cancelled"


class Request(StrEnum):
    """What a user has requested for a job that is being processed; it takes effect at the job's next checkpoint."""

    PAUSE = "pause"
    CANCEL = "cancel"


class Verb(StrEnum):
    """Why a job changes its state. One verb may end in one state only."""

    PROMOTE = "promote"
    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY_LATER = "retry_later"
    SNOOZE = "snooze"
    SUSPEND = "suspend"
    STOP = "stop"
    RELEASE = "release"
    CONTINUE = "continue"
    RESCUE = "rescue"
    QUARANTINE = "quarantine"
    PAUSE = "pause"
    RESUME = "resume"
    RESUME_LATER = "resume_later"
    RESUME_WAITING = "resume_waiting"
    CANCEL = "cancel"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Transition:
    """One legal transition: `verb` takes a job from any of `sources` to `target`."""

    verb: Verb
    sources: frozenset[State]
    target: State
    meaning: str
    counts_attempt: bool = True
    """Whether the attempt that ends by it counts."""


def _way(
    verb: Verb, sources: tuple[State, ...], target: State, meaning: str, *, counts_attempt: bool = True
) -> Transition:
    return Transition(verb, frozenset(sources), target, meaning, counts_attempt)


_S = State
# A table, one way a line.
# fmt: off
TRANSITIONS: dict[Verb, Transition] = {
    way.verb: way
    for way in (
        _way(Verb.PROMOTE, (_S.SCHEDULED,), _S.ENQUEUED, "its time has come"),
        _way(Verb.CLAIM, (_S.ENQUEUED,), _S.PROCESSING, "a worker takes it, with a new fence token"),
        _way(Verb.SUCCEED, (_S.PROCESSING,), _S.SUCCEEDED, "it returned a result"),
        _way(Verb.FAIL, (_S.PROCESSING,), _S.FAILED, "it raised, and no attempt is left"),
        _way(Verb.RETRY_LATER, (_S.PROCESSING,), _S.SCHEDULED, "it raised, and will be retried"),
        _way(Verb.SNOOZE, (_S.PROCESSING,), _S.SCHEDULED, "it asked to continue later", counts_attempt=False),
        _way(Verb.SUSPEND, (_S.PROCESSING,), _S.PAUSED, "it reached a checkpoint after a pause was requested",
             counts_attempt=False),
        _way(Verb.STOP, (_S.PROCESSING,), _S.CANCELLED, "it stopped after a cancel was requested", counts_attempt=False),
        _way(Verb.RELEASE, (_S.PROCESSING,), _S.ENQUEUED, "its worker stops and requeues it", counts_attempt=False),
        _way(Verb.CONTINUE, (_S.PROCESSING,), _S.ENQUEUED, "it stopped for a pause that was withdrawn meanwhile",
             counts_attempt=False),
        _way(Verb.RESCUE, (_S.PROCESSING,), _S.ENQUEUED, "its worker died", counts_attempt=False),
        _way(Verb.QUARANTINE, (_S.PROCESSING,), _S.FAILED, "its worker died for the third time while running it"),
        _way(Verb.PAUSE, (_S.SCHEDULED, _S.AWAITING, _S.ENQUEUED), _S.PAUSED, "a person paused it while it waited"),
        _way(Verb.RESUME, (_S.PAUSED,), _S.ENQUEUED, "a person resumed it"),
        _way(Verb.RESUME_LATER, (_S.PAUSED,), _S.SCHEDULED, "a person resumed it before its time"),
        _way(Verb.RESUME_WAITING, (_S.PAUSED,), _S.AWAITING, "a person resumed it before its parents ended"),
        _way(Verb.CANCEL, (_S.SCHEDULED, _S.AWAITING, _S.ENQUEUED, _S.PAUSED), _S.CANCELLED,
             "a person cancelled it while it waited"),
        _way(Verb.RETRY, (_S.FAILED, _S.CANCELLED, _S.SCHEDULED), _S.ENQUEUED, "a person retried it"),
    )
}
# fmt: on

ACTIVE_STATES = frozenset({_S.SCHEDULED, _S.AWAITING, _S.ENQUEUED, _S.PROCESSING, _S.PAUSED})
"""States in which a job still has something to do; a unique key is held in these."""

FINAL_STATES = frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELLED})
"""States that end a job; only an explicit retry leaves them."""


def mermaid() -> str:
    """The state diagram of the documentation, generated so that it cannot disagree with the table."""
    lines = ["stateDiagram-v2", "    [*] --> enqueued: enqueue", "    [*] --> scheduled: enqueue later"]
    for way in TRANSITIONS.values():
        for source in (state for state in State if state in way.sources):
            lines.append(f"    {source} --> {way.target}: {way.verb.replace('_', ' ')}")
    lines += [f"    {state} --> [*]" for state in State if state in FINAL_STATES]
    return "\n".join(lines) + "\n"
