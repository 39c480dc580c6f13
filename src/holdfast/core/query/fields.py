"""The table of search fields, for parser, completion and docs."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from holdfast.core.query.nodes import StateIs
from holdfast.core.states import Request, State


class Kind(StrEnum):
    """What may follow the colon of a field."""

    STATE = "state"
    TEXT = "text"
    ERROR = "error"
    TIME = "time"
    INTEGER = "integer"
    PERCENT = "percent"
    DURATION = "duration"
    ARGS = "args"

    @property
    def ordered(self) -> bool:
        """Whether `<`, `>` and `..` make sense."""
        return self in (Kind.TIME, Kind.INTEGER, Kind.PERCENT, Kind.DURATION)


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `indexed`: an exact value, a prefix or a range is found without reading every job.

    `label` begins a sentence about a resolved time; `help` is one line for completion and documentation. `since`: the time
    field from which a duration runs until now. `named`: its values are names, as `holdfast.core.sizes.check_name` takes
    them when a job is enqueued.
    """

    name: str
    kind: Kind
    indexed: bool
    help: str
    label: str = ""
    since: str = ""
    named: bool = False


_TABLE = (
    Field("state", Kind.STATE, True, "Where the job is: state:failed,cancelled"),
    Field("type", Kind.TEXT, True, "Name of the job type: type:report.*", named=True),
    Field("queue", Kind.TEXT, True, "Name of the queue: queue:mail", named=True),
    Field("owner", Kind.TEXT, True, "Whose job it is; owner:me is you", named=True),
    Field(
        "tag",
        Kind.TEXT,
        True,
        "Has the tag; tag:eu,urgent any of them, tag:eu tag:urgent all of them",
        named=True,
    ),
    Field("id", Kind.TEXT, True, "Id of the job, its last 12 characters, or its beginning: id:019a8f*"),
    Field("reason", Kind.TEXT, False, "Why it is in its state: reason:deploy"),
    Field(
        "error",
        Kind.ERROR,
        False,
        'Class (with or without its module), "text" of the message, or #group: error:TimeoutError, error:"reset"',
    ),
    Field("args", Kind.ARGS, False, 'An argument by its path: args.user.id:42, args.items[0].sku:"A 1"'),
    Field(
        "created",
        Kind.TIME,
        True,
        "When it was enqueued: created:>2h is created in the last 2 hours",
        "Created",
    ),
    Field(
        "age",
        Kind.DURATION,
        True,
        "How long ago it was enqueued: age:>2h is created more than 2 hours ago",
        since="created",
    ),
    Field("finished", Kind.TIME, False, "When it ended: finished:today", "Finished"),
    Field("run", Kind.TIME, False, "When it is or was due: run:<2026-11-20T10:00Z", "Due"),
    Field("started", Kind.TIME, False, "When its last attempt began: started:>10m", "Started"),
    Field("duration", Kind.DURATION, False, "How long its last attempt ran: duration:>30s"),
    Field("wait", Kind.DURATION, False, "How long it waited for a worker: wait:>5m"),
    Field("attempt", Kind.INTEGER, False, "Number of its last attempt: attempt:>=2"),
    Field("priority", Kind.INTEGER, False, "Higher goes first: priority:>5"),
    Field("progress", Kind.PERCENT, False, "How far it is, in percent: progress:<50"),
    Field("worker", Kind.TEXT, False, "The worker that has or had it: worker:web-3"),
    Field("schedule", Kind.TEXT, False, "The schedule that made it: schedule:nightly"),
    Field("batch", Kind.TEXT, False, "The batch it belongs to"),
    Field("parent", Kind.TEXT, False, "A job it waits or waited for"),
    Field("key", Kind.TEXT, False, "Its unique key: key:acct:7"),
    Field("version", Kind.TEXT, False, "Version of the code that ran it: version:1.4.*"),
    Field("paused-by", Kind.TEXT, False, "Who paused it: paused-by:ana"),
    Field("cancelled-by", Kind.TEXT, False, "Who cancelled it: cancelled-by:ana"),
)

FIELDS: dict[str, Field] = {field.name: field for field in _TABLE}
"""All fields by name, in the order in which they are offered."""

WORDS_INDEXED = False
"""Whether free text and text of an error message are found without reading every job."""

STATES: dict[str, StateIs] = {
    **{state.value: StateIs(state) for state in State},
    "queued": StateIs(State.ENQUEUED),
    "waiting": StateIs(State.AWAITING),
    "running": StateIs(State.PROCESSING),
    "retrying": StateIs(State.SCHEDULED, reason="retry"),
    "pausing": StateIs(State.PROCESSING, requested=Request.PAUSE),
    "cancelling": StateIs(State.PROCESSING, requested=Request.CANCEL),
}
"""The values of `state:`, with what each means; the names of the states first, then those that the dashboard uses."""


def nearest(word: str, known: dict[str, Field] | dict[str, StateIs]) -> str | None:
    """The known name most like `word`, or None when none is like it."""
    if len(word) > 32:
        return None
    matches = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return matches[0] if matches else None
